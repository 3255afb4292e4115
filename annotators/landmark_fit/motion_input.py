"""Input of the landmark fit."""

from dataclasses import dataclass

import numpy as np

from humove.types import Landmarks


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MotionInput:
    """One clip's landmarks and its camera."""

    landmarks: Landmarks
    fps: float
    width: int
    height: int
    intrinsics: np.ndarray
    """(3, 3) px of the frames with the landmarks."""
    source_frames: np.ndarray
    """(N,) int64: the source frame that each row shows."""
