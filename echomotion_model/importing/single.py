"""Reading of one AMASS or BVH file, as in an import, for generation from a user's motion."""

from pathlib import Path

from echomotion_model.importing.amass import read_amass
from echomotion_model.importing.bodies import TrueBodies
from echomotion_model.importing.config import ImportSettings
from echomotion_model.importing.inputs import KINDS
from echomotion_model.importing.mocap import read_mocap
from echomotion_model.importing.reasons import BadMotion
from echomotion_model.importing.sample import build_sample
from humove.errors import UserError
from humove.ids import compute_video_id, format_clip_id
from shards.motion_only.schemas import MotionOnlySample
from shards.schemas import Rights


def load_motion(
    path: Path, *, start_s: float = 0.0, max_seconds: float | None = None, body_models: Path | None = None
) -> MotionOnlySample:
    """Read the motion of a file from `start_s`, at most `max_seconds`, with a camera that depends on its content.

    UserError, one line, if the file is not readable or holds no motion there.
    """
    kinds = {suffix: kind for kind, suffix in KINDS.items()}
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
        raise UserError(f"{path}: is {length:.2f} s long, with no motion after {start_s:g} s")
    return build_sample(
        motion.cut(first, last),
        key=format_clip_id(compute_video_id(path), 0, 0),
        split="test",
        kind=kind,
        file=path.name,
        name="",
        captions=(),
        rights=Rights(),
        max_fps=ImportSettings().max_fps,
    )
