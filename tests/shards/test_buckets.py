"""The bucket rule, and its counts over an index."""

import time
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shards.buckets import (
    COLUMNS,
    RESOLUTIONS,
    Bucket,
    BucketConfig,
    LeftOut,
    choose_bucket,
    count_buckets,
    count_frames_at,
)
from shards.reader import open_dataset

CONFIG = BucketConfig()
RATES = [Fraction(n) for n in (12, 15, 16, 24, 25, 30, 48, 50, 60)] + [Fraction(n * 1000, 1001) for n in (24, 30, 60)]


@pytest.mark.parametrize(
    ("shape", "name"),
    [
        ((81, 16.0, 832, 480), "832x480x81"),
        ((80, 16.0, 832, 480), "832x480x77"),
        ((17, 16.0, 480, 832), "480x832x17"),
        ((151, 30.0, 1280, 720), "832x480x81"),
        ((150, 30.0, 1280, 720), "832x480x77"),
        ((10_000, 60.0, 720, 960), "544x720x81"),
        ((31, 30.0, 720, 720), "624x624x17"),
        ((121, 30000 / 1001, 960, 720), "720x544x65"),
    ],
)
def test_a_clip_goes_to_the_nearest_shape_and_the_longest_length(shape: tuple, name: str) -> None:
    assert choose_bucket(*shape, CONFIG).name == name


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((16, 16.0, 832, 480), "too_short"),
        ((30, 30.0, 832, 480), "too_short"),
        ((300, 30.0, 320, 240), "too_small"),
        ((300, 30.0, 480, 318), "too_small"),
        ((300, 10.0, 832, 480), "low_frame_rate"),
    ],
)
def test_why_a_clip_is_left_out(shape: tuple, reason: str) -> None:
    assert choose_bucket(*shape, CONFIG) == reason


def test_the_upscale_limit_is_exact() -> None:
    assert choose_bucket(81, 16.0, 416, 416, CONFIG) == Bucket(624, 624, 81)  # 624 / 416 is 1.5 exactly
    assert choose_bucket(81, 16.0, 415, 415, CONFIG) is LeftOut.TOO_SMALL


@given(st.integers(1, 700), st.sampled_from(RATES), st.integers(1, 60))
def test_the_number_of_instants_is_exact_though_the_rate_is_a_float(num_frames: int, rate: Fraction, fps: int) -> None:
    exact = int((num_frames - 1) * fps / rate) + 1
    assert count_frames_at(num_frames, float(rate), fps) == exact


@given(st.integers(1, 700), st.sampled_from(RATES), st.integers(2, 4000), st.integers(2, 4000))
def test_a_bucket_is_one_of_the_configured_and_within_the_clip(n: int, rate: Fraction, w: int, h: int) -> None:
    bucket = choose_bucket(n, float(rate), w, h, CONFIG)
    if isinstance(bucket, LeftOut):
        return
    assert (bucket.width, bucket.height) in RESOLUTIONS
    assert bucket.frames % 4 == 1 and 17 <= bucket.frames <= 81
    assert Fraction(bucket.frames - 1, 16) <= (n - 1) / rate  # the last instant is not after the last frame
    assert max(bucket.width / w, bucket.height / h) <= 1.5 + 1e-6


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max_frames": 80}, "max_frames is 80: give 4k"),
        ({"min_frames": 21, "max_frames": 17}, "above max_frames"),
        ({"resolutions": [[100, 96]]}, "resolution 100x96: give multiples of 16"),
        ({"resolutions": []}, "resolutions"),
        ({"max_upscale": 0.5}, "max_upscale"),
        ({"framerate": 16}, "framerate"),
    ],
)
def test_a_wrong_setting_is_named(wrong: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        BucketConfig.model_validate(wrong)


def test_counts_add_up_by_split(built: Path) -> None:
    dataset = open_dataset(str(built))
    counts = count_buckets(
        dataset.iterate_index_rows(list(COLUMNS)), BucketConfig(resolutions=((64, 48),), max_upscale=8)
    )
    sizes = Counter(sample.split for sample in dataset.iterate_samples())
    assert {split: row["used"] + sum(row["left_out"].values()) for split, row in counts.items()} == sizes
    for row in counts.values():
        assert row["used"] == sum(row["buckets"].values())


def test_counts_of_streamed_rows() -> None:
    shapes = [(81, 16.0, 832, 480), (16, 16.0, 832, 480), (81, 16.0, 80, 48), (81, 8.0, 832, 480), (81, 16.0, 832, 480)]
    rows = [dict(zip(COLUMNS, ("train", *shape), strict=True)) for shape in shapes]
    rows.append(dict(zip(COLUMNS, ("val", *shapes[1]), strict=True)))
    assert count_buckets(iter(rows), CONFIG) == {
        "train": {
            "used": 2,
            "buckets": {"832x480x81": 2},
            "left_out": {"low_frame_rate": 1, "too_short": 1, "too_small": 1},
        },
        "val": {"used": 0, "buckets": {}, "left_out": {"too_short": 1}},
    }


def test_two_hundred_thousand_rows_are_counted_quickly() -> None:
    rows = ({"split": "train", "num_frames": 30 + i % 271, "fps": 30.0, "width": 720, "height": 400 + i % 880}
            for i in range(200_000))  # fmt: skip
    start = time.perf_counter()
    counts = count_buckets(rows, CONFIG)
    assert counts["train"]["used"] + sum(counts["train"]["left_out"].values()) == 200_000
    assert time.perf_counter() - start < 10
