"""The annotator: SMPL motion from frames and boxes."""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np

from annotators.batches import run_in_batches
from annotators.body_models import SMPL_BODY
from annotators.motion_clip import MotionClip, interpolate_track
from annotators.motion_smoothing.raw import RawMotion
from annotators.motion_smoothing.smoothing import smooth_motion
from annotators.network import Network, load_network
from annotators.nlf.config import NlfConfig
from annotators.nlf.mirror import fuse_frames, mirror_back, mirror_view
from annotators.nlf.model import NlfFrames, NlfModel
from annotators.nlf.network import NlfNetwork
from humove.reasons import Reason
from humove.stage import Reject
from humove.types import SmplMotion

_MIN_FRAMES = 3
_CONFIDENCE_SCALE_M = 0.15


class NlfMotion:
    """SMPL motion by NLF on each frame within the person's box, with one body per clip, smoothed in time."""

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
        """Read the file. Errors: UserError if it is missing, does not match its sha256, or is not NLF's."""
        self.network = load_network(self.network, device, network)
        self._model = NlfModel(self.network)

    def annotate(self, batch: Sequence[MotionClip]) -> list[SmplMotion | Reject]:
        """Estimate the motion of each clip. Frames where the track is lost or NLF gives no body are not valid; a clip
        with fewer than three valid frames is rejected."""
        if self._model is None:
            raise RuntimeError("NlfMotion.annotate before load")
        return [self._annotate_clip(item) for item in batch]

    def _annotate_clip(self, item: MotionClip) -> SmplMotion | Reject:
        n = len(item.source_frames)
        boxes, near = interpolate_track(item.track, n)
        frames = item.open_frames()
        rows = np.flatnonzero(near)

        def run_part(part: Sequence[int]) -> list[NlfFrames]:
            output = self._run_model(
                np.stack([frames.read_rgb(int(i)) for i in part]), boxes[list(part)], item.intrinsics
            )
            return [_take_row(output, i) for i in range(len(part))]

        found = run_in_batches([int(i) for i in rows], run_part, self.config.batch_size)
        outputs = {f.name: _scatter_rows([getattr(row, f.name) for row in found], rows, n) for f in fields(NlfFrames)}
        known = np.isfinite(np.concatenate([np.reshape(outputs[name], (n, -1)) for name in outputs], 1)).all(1)
        valid = near & known & (outputs["joints"][:, 0, 2] > 0)
        if valid.sum() < _MIN_FRAMES:
            return Reject(
                reason=Reason.NO_PERSON,
                detail=f"NLF found a body on {int(valid.sum())} of {n} frames",
                score=float(valid.sum()),
                threshold=float(_MIN_FRAMES),
            )
        raw = RawMotion(
            betas=outputs["betas"],
            rest_joints=outputs["rest_joints"],
            global_orient=outputs["pose"][:, 0],
            body_pose=outputs["pose"][:, 1:],
            transl=outputs["transl"],
            confidence=np.exp(-outputs["uncertainty"] / _CONFIDENCE_SCALE_M),
        )
        out = smooth_motion(raw, valid, item.fps, self.config.smoothing)
        return out.to_motion(item.intrinsics, item.source_frames)

    def _run_model(self, images: np.ndarray, boxes: np.ndarray, intrinsics: np.ndarray) -> NlfFrames:
        output = self._model(images, boxes, intrinsics)
        if not self.config.flip:
            return output
        return fuse_frames(output, mirror_back(self._model(*mirror_view(images, boxes, intrinsics))))


def _take_row(frames: NlfFrames, i: int) -> NlfFrames:
    return NlfFrames(**{f.name: getattr(frames, f.name)[i] for f in fields(NlfFrames)})


def _scatter_rows(values: list[np.ndarray], rows: np.ndarray, n: int) -> np.ndarray:
    """Put the values at `rows` of n rows, NaN elsewhere."""
    out = np.full((n, *np.shape(values[0])), np.nan)
    out[rows] = np.stack(values)
    return out
