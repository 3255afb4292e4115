"""Resampling is monotonic, keeps the timing, and leaves a constant rate unchanged."""

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from humove.video.timeline import compute_output_rate, map_output_frames


@settings(deadline=None)
@given(steps=st.lists(st.integers(1, 9000), min_size=1, max_size=80), fps=st.sampled_from([24, 30, 60, 120]))
def test_monotonic_and_in_time(steps: list[int], fps: int) -> None:
    pts = np.cumsum([0, *steps])
    shown = map_output_frames(pts, Fraction(1, 90000), Fraction(fps))
    rate = compute_output_rate(Fraction(fps))
    assert pts[shown[0]] / 90000 * fps <= 0.5 or len(shown) == -(-len(pts) // (fps // rate))
    assert (np.diff(shown) >= 0).all()
    assert shown[-1] < len(pts)
    seconds = len(shown) / rate
    assert abs(float(seconds) - (pts[-1] / 90000 + 1 / fps)) <= 2 / rate or len(shown) == -(-len(pts) // (fps // rate))


@settings(deadline=None)
@given(n=st.integers(1, 300), jitter=st.lists(st.floats(-0.3, 0.3), min_size=300, max_size=300))
def test_jitter_drops_nothing(n: int, jitter: list[float]) -> None:
    pts = np.round((np.arange(n) + np.array(jitter[:n])) * 3000).astype(np.int64)
    assert map_output_frames(pts, Fraction(1, 90000), Fraction(30)).tolist() == list(range(n))


def test_rates() -> None:
    cases = {"25": "25", "60": "60", "120": "60", "240": "60", "100": "50", "120000/1001": "60000/1001"}
    assert {fps: str(compute_output_rate(Fraction(fps))) for fps in cases} == cases
    assert map_output_frames(np.arange(9), Fraction(1, 240), Fraction(240)).tolist() == [0, 4, 8]
