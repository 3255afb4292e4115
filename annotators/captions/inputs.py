"""The input of a captioner for one clip."""

from dataclasses import dataclass
from fractions import Fraction

from humove.types import Pose2D, SmplMotion
from humove.video.frames import Frames


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CaptionInput:
    """One person's clip. Row i of `pose2d` and of `motion` is frame i of `frames`; keypoints are in its pixels."""

    frames: Frames
    pose2d: Pose2D
    motion: SmplMotion
    fps: Fraction
    crop_xyxy: tuple[float, float, float, float] | None = None
    """The window of the frames that is stored, px; None: the whole frame."""

    def __post_init__(self) -> None:
        rows = {len(self.frames), len(self.pose2d.scores), len(self.motion.valid)}
        if len(rows) != 1:
            raise ValueError(f"frames, pose2d and motion have different lengths: {sorted(rows)}")
