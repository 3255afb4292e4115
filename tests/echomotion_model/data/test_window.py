"""Time windows: inside the clip, starting on a frame, uniformly distributed and deterministic."""

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from echomotion_model.data.window import compute_clip_instants, draw_window, find_nearest_frames
from shards.buckets import Bucket, BucketConfig, choose_bucket

RATES = [Fraction(n) for n in (12, 15, 16, 24, 25, 30, 48, 50, 60)] + [Fraction(n * 1000, 1001) for n in (24, 30, 60)]


@given(st.integers(1, 700), st.sampled_from(RATES), st.sampled_from([8, 16, 24]), st.integers(0, 50))
def test_every_window_of_a_clips_bucket_is_inside_the_clip(n: int, rate: Fraction, fps: int, epoch: int) -> None:
    bucket = choose_bucket(n, float(rate), 832, 480, BucketConfig(fps=fps))
    if not isinstance(bucket, Bucket):
        return
    instants = draw_window("key", n, float(rate), bucket.frames, fps, 3, epoch)
    assert len(instants) == bucket.frames and instants[0] == int(instants[0]) >= 0 and instants[-1] <= n - 1
    exact = [instants[0] + i * rate / fps for i in range(bucket.frames)]
    np.testing.assert_allclose(instants, [float(t) for t in exact], atol=1e-9)
    whole = [t.denominator == 1 for t in map(Fraction, exact)]
    np.testing.assert_array_equal(instants == np.floor(instants), whole)
    frames = find_nearest_frames(instants)
    assert frames.min() >= 0 and frames.max() <= n - 1 and (np.abs(frames - instants) <= 0.5).all()


def test_starts_are_uniformly_distributed() -> None:
    starts = Counter(int(draw_window(f"k{i}", 35, 16.0, 17, 16, 0, i % 7)[0]) for i in range(9500))
    assert sorted(starts) == list(range(19))
    assert min(starts.values()) > 400 and max(starts.values()) < 600


def test_a_window_depends_on_seed_epoch_and_key() -> None:
    def start(seed: int, epoch: int, key: str) -> int:
        return int(draw_window(key, 500, 30.0, 17, 16, seed, epoch)[0])

    assert [start(0, 0, "a"), start(0, 1, "a"), start(1, 0, "a"), start(0, 0, "b")] == [196, 71, 261, 31]


@given(st.integers(1, 700), st.integers(1, 120), st.sampled_from([5, 16, 24]))
@example(126, 25, 24)  # 125 steps of 25 / 24 are a little more than 125 frames in float64
@example(251, 50, 24)
def test_a_whole_clips_instants_end_with_the_clip(n: int, rate: int, fps: int) -> None:
    instants = compute_clip_instants(n, float(rate), fps)
    exact = [i * Fraction(rate, fps) for i in range(len(instants) + 1)]
    np.testing.assert_allclose(instants, [float(t) for t in exact[:-1]], atol=1e-9)
    assert instants[0] == 0 and instants[-1] <= n - 1 < exact[-1]


def test_a_clip_too_short_for_its_window_is_an_error() -> None:
    with pytest.raises(ValueError, match="30 frames at 30 fps are less than 17 frames at 16 fps"):
        draw_window("key", 30, 30.0, 17, 16, 0, 0)
