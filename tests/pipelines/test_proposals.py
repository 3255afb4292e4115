"""scenedetect proposes on thumbs: every cut, whatever the colours, and the blank stretches of fades."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.stages.shots.proposals import propose_cuts, propose_fades

_FPS = Fraction(30000, 1001)


def _make_noise(seed: int, mean: float = 128, contrast: float = 50) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, contrast, (32, 32)).clip(0, 255).astype(np.uint8)


def test_every_cut_is_proposed_however_close() -> None:
    thumbs = np.stack([_make_noise(1)] * 10 + [_make_noise(2)] + [_make_noise(3)] * 2 + [_make_noise(4)] * 9)
    assert propose_cuts(thumbs, _FPS, 2.0).tolist() == [10, 11, 13]
    assert propose_cuts(thumbs, _FPS, 200.0).tolist() == []


@given(st.lists(st.integers(0, 40), min_size=1, max_size=30), st.integers(1, 30))
def test_a_change_of_light_is_proposed_from_the_threshold_on(levels: list[int], threshold: int) -> None:
    thumbs = np.array(levels, np.uint8)[:, None, None] + np.zeros((1, 32, 32), np.uint8)
    steps = np.abs(np.diff(levels, prepend=levels[0]))
    assert propose_cuts(thumbs, _FPS, threshold).tolist() == np.flatnonzero(steps >= threshold).tolist()


@pytest.mark.parametrize("colour", [0, 90, 255])
def test_fades_through_any_colour_and_at_both_ends(colour: int) -> None:
    frame = _make_noise(5).astype(float)
    shares = [0, 0, 0.5, 1, 1, 0.5, 0, 0, 0.5, 1, 0.5, 0]
    thumbs = np.stack([(frame * s + colour * (1 - s)).round().astype(np.uint8) for s in shares])
    assert propose_fades(thumbs, _FPS, 12) == [(0, 2), (6, 8), (11, 12)]


def test_a_dark_scene_is_not_blank() -> None:
    assert propose_fades(np.stack([_make_noise(6, mean=40, contrast=25)] * 5), _FPS, 12) == []


@given(st.lists(st.floats(0, 40), min_size=1, max_size=30), st.floats(1, 30))
def test_all_frames_of_little_contrast_are_proposed(contrasts: list[float], most: float) -> None:
    thumbs = np.stack([_make_noise(seed, contrast=c) for seed, c in enumerate(contrasts)])
    inside = {frame for start, end in propose_fades(thumbs, _FPS, most) for frame in range(start, end)}
    assert {frame for frame, thumb in enumerate(thumbs) if thumb.std() <= most} <= inside
