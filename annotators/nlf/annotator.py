"""The annotator: pictures and boxes in, SMPL motion out."""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np

from annotators.batches import in_batches
from annotators.body_models import SMPL_BODY
from annotators.motion_clip import MotionClip, boxes_on_every_frame
from annotators.motion_smoothing.raw import RawMotion
from annotators.motion_smoothing.smoothing import smoothed
from annotators.network import Network, load_network
from annotators.nlf.config import NlfConfig
from annotators.nlf.mirror import fused, mirrored_back, mirrored_view
from annotators.nlf.model import NlfFrames, NlfModel
from annotators.nlf.network import NlfNetwork
from humove.reasons import Reason
from humove.stage import Reject
from humove.types import SmplMotion

_FEWEST_FRAMES = 3
_DOUBT_M = 0.15


class NlfMotion:
    """SMPL by NLF on each frame within the person's box, one body a clip, smoothed in time."""

    Settings = NlfConfig
    name = "nlf"
    version = "1"
    licence = "NLF's weights: non-commercial research; the SMPL body within: non-commercial research"
    rights = "non-commercial"
    cpu_only = False
    weights: tuple[str, ...] = ()
    shape_source = "true"
    body_model = SMPL_BODY

    def __init__(self, config: NlfConfig) -> None:
        self.config = config
        self.network: Network = NlfNetwork(config)
        self._model: NlfModel | None = None

    def load(self, device: str, network: Network | None = None) -> None:
        """Reads the file. Errors: UserError where it is missing, another than its sha256 says, or not NLF's."""
        self.network = load_network(self.network, device, network)
        self._model = NlfModel(self.network)

    def annotate(self, batch: Sequence[MotionClip]) -> list[SmplMotion | Reject]:
        """One motion for each clip. Frames on which the track is lost, or where NLF gives no body, are not valid; a
        clip with fewer than three others is rejected."""
        if self._model is None:
            raise RuntimeError("NlfMotion.annotate before load")
        return [self._one(item) for item in batch]

    def _one(self, item: MotionClip) -> SmplMotion | Reject:
        n = len(item.source_frames)
        boxes, near = boxes_on_every_frame(item.track, n)
        frames = item.open_frames()
        rows = np.flatnonzero(near)

        def look(part: Sequence[int]) -> list[NlfFrames]:
            seen = self._look(np.stack([frames.rgb(int(i)) for i in part]), boxes[list(part)], item.intrinsics)
            return [_row(seen, i) for i in range(len(part))]

        found = in_batches([int(i) for i in rows], look, self.config.batch_size)
        said = {f.name: _scattered([getattr(row, f.name) for row in found], rows, n) for f in fields(NlfFrames)}
        known = np.isfinite(np.concatenate([np.reshape(said[name], (n, -1)) for name in said], 1)).all(1)
        valid = near & known & (said["joints"][:, 0, 2] > 0)
        if valid.sum() < _FEWEST_FRAMES:
            return Reject(
                reason=Reason.NO_PERSON,
                detail=f"NLF found a body on {int(valid.sum())} of {n} frames",
                score=float(valid.sum()),
                threshold=float(_FEWEST_FRAMES),
            )
        raw = RawMotion(
            betas=said["betas"],
            rest_joints=said["rest_joints"],
            global_orient=said["pose"][:, 0],
            body_pose=said["pose"][:, 1:],
            transl=said["transl"],
            confidence=np.exp(-said["uncertainty"] / _DOUBT_M),
        )
        out = smoothed(raw, valid, item.fps, self.config.smoothing)
        return out.motion(item.intrinsics, item.source_frames)

    def _look(self, images: np.ndarray, boxes: np.ndarray, intrinsics: np.ndarray) -> NlfFrames:
        seen = self._model(images, boxes, intrinsics)
        if not self.config.flip:
            return seen
        return fused(seen, mirrored_back(self._model(*mirrored_view(images, boxes, intrinsics))))


def _row(frames: NlfFrames, i: int) -> NlfFrames:
    return NlfFrames(**{f.name: getattr(frames, f.name)[i] for f in fields(NlfFrames)})


def _scattered(values: list[np.ndarray], rows: np.ndarray, n: int) -> np.ndarray:
    """The values at `rows` of n rows, NaN elsewhere."""
    out = np.full((n, *np.shape(values[0])), np.nan)
    out[rows] = np.stack(values)
    return out
