"""The split of a video: it depends on the video alone, so that added videos move no other."""

from typing import Self

from pydantic import Field, model_validator

from humove.config.strict import Strict
from humove.ids import hash_to_unit_interval
from humove.types import VideoRef

SPLITS = ("train", "val", "test")


class SplitsConfig(Strict):
    """Shares of the source videos (or groups) in each split; the rest is train."""

    val: float = Field(0.05, ge=0, le=1, description="share of the videos that go to val")
    test: float = Field(0.05, ge=0, le=1, description="share of the videos that go to test")

    @model_validator(mode="after")
    def _check_sum(self) -> Self:
        if self.val + self.test > 1:
            raise ValueError(f"val {self.val} and test {self.test} must sum to at most 1")
        return self


def assign_split(video: VideoRef, config: SplitsConfig) -> str:
    """Return the manifest's `split`, else one by a hash of the manifest's `group` or of the video's content."""
    if video.source.split:
        return video.source.split
    position = hash_to_unit_interval(video.source.group or video.video_id)
    if position < config.test:
        return "test"
    return "val" if position < config.test + config.val else "train"
