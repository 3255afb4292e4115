"""Assign samples to training buckets (resolution and number of frames), or leave them out for a reason.

The rule reads four columns of the index only, so the report states exactly what the training loader uses. Buckets are
named WIDTHxHEIGHTxFRAMES, such as 832x480x81.

    class BucketConfig(Strict): fps, min_frames, max_frames, min_fps, resolutions, max_upscale
    choose_bucket(num_frames, fps, width, height, config) -> Bucket | LeftOut
    count_buckets(rows, config) -> {split: {"used": n, "buckets": {"832x480x81": n}, "left_out": {"too_small": n}}}

`count_buckets` needs the columns in `COLUMNS`: `count_buckets(dataset.iterate_index_rows(list(COLUMNS)), config)`.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self, TypedDict

from pydantic import Field, model_validator

from humove.config.strict import Strict

COLUMNS = ("split", "num_frames", "fps", "width", "height")
"""The index's columns that the rule and its counts read."""
RESOLUTIONS = ((832, 480), (720, 544), (624, 624), (544, 720), (480, 832))
"""Width and height in px: the paper's 832x480, portrait, square and two shapes in between, all of about one area."""
_STRIDE = 16
"""Width and height of a video token in px: the codec's stride of 8 times the patch size of 2."""
_TIME_STRIDE = 4
_EXACT = 1e-6
"""Frames; far below any real difference, far above the rounding error of a float64 rate."""


class BucketConfig(Strict):
    """Settings that map clips of every size and length to the few shapes that a model trains on."""

    fps: int = Field(16, ge=1, description="frames per second of the training windows; clips are resampled to it")
    min_frames: int = Field(17, ge=1, description="shortest window at that rate, 4k+1; shorter clips are left out")
    max_frames: int = Field(81, ge=1, description="longest window at that rate, 4k+1; longer clips are cut")
    min_fps: float = Field(
        12, gt=0, allow_inf_nan=False, description="slower clips are left out: too many frames would repeat"
    )
    resolutions: tuple[tuple[int, int], ...] = Field(
        RESOLUTIONS, min_length=1, description="width and height in px, multiples of 16; clips take the nearest shape"
    )
    max_upscale: float = Field(
        1.5, ge=1, allow_inf_nan=False, description="clips that need a larger upscale are left out"
    )

    @model_validator(mode="after")
    def _check_shapes(self) -> Self:
        for name, value in (("min_frames", self.min_frames), ("max_frames", self.max_frames)):
            if value % _TIME_STRIDE != 1:
                raise ValueError(f"{name} is {value}: give 4k+1 frames, such as {value // 4 * 4 + 1}")
        if self.min_frames > self.max_frames:
            raise ValueError(f"min_frames {self.min_frames} is above max_frames {self.max_frames}")
        for width, height in self.resolutions:
            if min(width, height) < _STRIDE or width % _STRIDE or height % _STRIDE:
                raise ValueError(f"resolution {width}x{height}: give multiples of {_STRIDE} px")
        return self


@dataclass(frozen=True, slots=True, order=True)
class Bucket:
    """A shape of training windows: width and height in px, number of frames."""

    width: int
    height: int
    frames: int

    @property
    def name(self) -> str:
        return f"{self.width}x{self.height}x{self.frames}"


class LeftOut(StrEnum):
    """A reason why a sample is in no bucket."""

    TOO_SHORT = "too_short"
    TOO_SMALL = "too_small"
    LOW_FRAME_RATE = "low_frame_rate"


class BucketCounts(TypedDict):
    """Counts of one split; used + the sum of left_out = the split's samples."""

    used: int
    buckets: dict[str, int]
    left_out: dict[str, int]


def count_frames_at(num_frames: int, fps: float, target_fps: int) -> int:
    """Count the instants of a grid at `target_fps` between a clip's first and last frame, inclusive."""
    return math.floor((num_frames - 1) * target_fps / fps + _EXACT) + 1


def choose_bucket(num_frames: int, fps: float, width: int, height: int, config: BucketConfig) -> Bucket | LeftOut:
    """Choose the bucket of a clip of `num_frames` at `fps`, width x height px, or the first reason to leave it out.

    The resolution is that of the nearest aspect ratio (the first listed in a tie). The length is the largest 4k+1
    frames that the clip spans at the target rate, at most `max_frames`.
    """
    if fps < config.min_fps:
        return LeftOut.LOW_FRAME_RATE
    frames = min(count_frames_at(num_frames, fps, config.fps), config.max_frames)
    if frames < config.min_frames:
        return LeftOut.TOO_SHORT
    aspect = math.log(width / height)
    wide, high = min(config.resolutions, key=lambda size: abs(math.log(size[0] / size[1]) - aspect))
    if max(wide / width, high / height) > config.max_upscale + _EXACT:
        return LeftOut.TOO_SMALL
    return Bucket(wide, high, (frames - 1) // _TIME_STRIDE * _TIME_STRIDE + 1)


def count_buckets(rows: Iterable[Mapping[str, Any]], config: BucketConfig) -> dict[str, BucketCounts]:
    """Count samples by bucket and by reason for each split, in sorted order. Rows of the index may be streamed."""
    shapes = Counter(tuple(row[name] for name in COLUMNS) for row in rows)
    used: dict[str, Counter[Bucket]] = {}
    left_out: dict[str, Counter[LeftOut]] = {}
    for (split, *shape), number in shapes.items():
        verdict = choose_bucket(*shape, config)
        kind = used if isinstance(verdict, Bucket) else left_out
        kind.setdefault(split, Counter())[verdict] += number
    return {
        split: BucketCounts(
            used=used.get(split, Counter()).total(),
            buckets={bucket.name: n for bucket, n in sorted(used.get(split, Counter()).items())},
            left_out={str(reason): n for reason, n in sorted(left_out.get(split, Counter()).items())},
        )
        for split in sorted(used.keys() | left_out.keys())
    }
