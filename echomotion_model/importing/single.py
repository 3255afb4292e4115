"""One AMASS or BVH file, read as an import would: for generation from a user's own motion."""

from pathlib import Path

from echomotion_model.importing.amass import read_amass
from echomotion_model.importing.bodies import TrueBodies
from echomotion_model.importing.config import ImportSettings
from echomotion_model.importing.inputs import KINDS
from echomotion_model.importing.mocap import read_mocap
from echomotion_model.importing.reasons import BadMotion
from echomotion_model.importing.sample import sample_of
from humove.errors import UserError
from humove.ids import clip_id_of, video_id_of
from shards.documents import Rights
from shards.motion_only_documents import MotionOnlySample


def load_motion(
    path: Path, *, start_s: float = 0.0, max_seconds: float | None = None, body_models: Path | None = None
) -> MotionOnlySample:
    """The motion of a file from `start_s` on, `max_seconds` at most, before the camera that its content draws.

    UserError, one line, where the file is none, or holds no motion there.
    """
    kinds = {ending: kind for kind, ending in KINDS.items()}
    kind = kinds.get(path.suffix.lower())
    if kind is None or not path.is_file():
        raise UserError(f"{path}: give an AMASS file ({KINDS['amass']}) or a BVH file ({KINDS['bvh']})")
    try:
        motion = (
            read_mocap(path) if kind == "bvh" else read_amass(path, TrueBodies(body_models) if body_models else None)
        )
    except BadMotion as bad:
        raise UserError(f"{path}: {bad.reason}: {bad.detail}") from bad
    first = round(start_s * motion.fps)
    last = len(motion) if max_seconds is None else min(len(motion), first + round(max_seconds * motion.fps))
    if not 0 <= first < last - 1:
        length = len(motion) / float(motion.fps)
        raise UserError(f"{path}: is {length:.2f} s long; nothing of it lies from {start_s:g} s on")
    return sample_of(
        motion.cut(first, last),
        key=clip_id_of(video_id_of(path), 0, 0),
        split="test",
        kind=kind,
        file=path.name,
        name="",
        captions=(),
        rights=Rights(),
        max_fps=ImportSettings().max_fps,
    )
