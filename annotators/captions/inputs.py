"""What a captioner is given of one clip."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np

from humove.types import Pose2D, SmplMotion


class Frames(Protocol):
    """A clip's pictures, as humove.video.frames.ClipFrames hands them out."""

    width: int
    height: int
    fps: Fraction

    def __len__(self) -> int: ...

    def rgb(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CaptionInput:
    """One person's clip. Row i of `pose2d` and of `motion` is frame i of `frames`; keypoints are in its pixels."""

    frames: Frames
    pose2d: Pose2D
    motion: SmplMotion
    fps: Fraction

    def __post_init__(self) -> None:
        rows = {len(self.frames), len(self.pose2d.scores), len(self.motion.valid)}
        if len(rows) != 1:
            raise ValueError(f"frames, pose2d and motion have different lengths: {sorted(rows)}")
