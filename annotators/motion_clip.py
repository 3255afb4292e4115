"""What a motion annotator is given of a clip, and what it may answer beside the motion itself."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from annotators.landmark_fit.clip import MotionInput
from humove.camera import Focal
from humove.types import Clip, PersonTrack, SmplMotion, WorldCamera
from humove.video.frames import Frames


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MotionClip(MotionInput):
    """One clip: keypoints and camera, and for models that look at pictures or read files, the clip itself.

    `landmarks` is a plain Pose2D where the keypoints' annotator gives no metric 3D.
    """

    track: PersonTrack
    """The person's boxes in px of the frames."""
    clip: Clip
    open_frames: Callable[[], Frames]
    """Decodes the clip when first called: what needs no picture costs no decoding. `source_frames` has its length."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WorldMotion:
    """A motion whose annotator knows its own camera, and may be its path. Others answer with an SmplMotion alone."""

    motion: SmplMotion
    focal: Focal
    world: WorldCamera | None = None


def boxes_on_every_frame(track: PersonTrack, num_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """(boxes (N, 4) px, near (N,) bool): the track's boxes interpolated to every frame, held at its ends.

    A frame is near the track when it lies no further from one of its frames than these usually lie apart: the others
    are where the person was lost.
    """
    frames = track.frames.astype(np.float64)
    at = np.arange(num_frames, dtype=np.float64)
    boxes = np.stack([np.interp(at, frames, side) for side in track.boxes_xyxy.T.astype(np.float64)], 1)
    stride = float(np.median(np.diff(frames))) if len(frames) > 1 else 1.0
    after = np.clip(np.searchsorted(frames, at), 0, len(frames) - 1)
    before = np.maximum(after - 1, 0)
    away = np.minimum(np.abs(frames[after] - at), np.abs(frames[before] - at))
    return boxes.astype(np.float32), away < max(stride, 1.0)
