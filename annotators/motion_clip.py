"""Input of the motion annotators, and the motion of those that know their camera."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from annotators.landmark_fit.motion_input import MotionInput
from humove.motion.camera import FocalSource
from humove.types import Clip, PersonTrack, SmplMotion, WorldCamera
from humove.video.frames import Frames


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MotionClip(MotionInput):
    """One clip: keypoints and camera, and the clip itself for models that read frames or files.

    `landmarks` is a plain Pose2D if the keypoints' annotator gives no metric 3D.
    """

    track: PersonTrack
    """The person's boxes in px of the frames."""
    clip: Clip
    open_frames: Callable[[], Frames]
    """Decodes the clip on the first call, so that models without frames cost no decoding; `source_frames` long."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WorldMotion:
    """A motion whose annotator knows its camera, and perhaps the camera's path. Others return an SmplMotion alone."""

    motion: SmplMotion
    focal: FocalSource
    world: WorldCamera | None = None


def interpolate_track(track: PersonTrack, num_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate the track's boxes to every frame, held at its ends: (boxes (N, 4) px, near (N,) bool).

    A frame is near the track if its distance to one of the track's frames is below their median distance; on the
    others the person was lost.
    """
    frames = track.frames.astype(np.float64)
    at = np.arange(num_frames, dtype=np.float64)
    boxes = np.stack([np.interp(at, frames, side) for side in track.boxes_xyxy.T.astype(np.float64)], 1)
    stride = float(np.median(np.diff(frames))) if len(frames) > 1 else 1.0
    after = np.clip(np.searchsorted(frames, at), 0, len(frames) - 1)
    before = np.maximum(after - 1, 0)
    away = np.minimum(np.abs(frames[after] - at), np.abs(frames[before] - at))
    return boxes.astype(np.float32), away < max(stride, 1.0)
