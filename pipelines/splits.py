"""Which split a video belongs to: by itself alone, so that adding videos moves none."""

from typing import Self

from pydantic import Field, model_validator

from humove.config import Strict
from humove.ids import unit_interval
from humove.types import VideoRef

SPLITS = ("train", "val", "test")


class SplitsConfig(Strict):
    """Shares of the source videos (or groups) in each split; the rest is for training."""

    val: float = Field(0.05, ge=0, le=1, description="share of the videos that go to val")
    test: float = Field(0.05, ge=0, le=1, description="share of the videos that go to test")

    @model_validator(mode="after")
    def _at_most_all(self) -> Self:
        if self.val + self.test > 1:
            raise ValueError(f"val {self.val} and test {self.test} are more than all; let them sum to 1 at most")
        return self


def split_of(video: VideoRef, config: SplitsConfig) -> str:
    """The manifest's `split`, else by a hash of the manifest's `group`, else of the video's content."""
    if video.source.split:
        return video.source.split
    at = unit_interval(video.source.group or video.video_id)
    if at < config.test:
        return "test"
    return "val" if at < config.test + config.val else "train"
