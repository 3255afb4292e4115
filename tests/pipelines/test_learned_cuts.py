"""Cuts and transitions from a network's scores."""

from fractions import Fraction

import numpy as np

from pipelines.stages.shots.cuts import SplitConfig, find_shots
from pipelines.stages.shots.learned_cuts import find_boundaries
from pipelines.stages.shots.transitions import Span
from tests.pipelines.scenes import draw_scene, measure_scan

_FPS, _TICK = Fraction(30), Fraction(1, 30)


def make_scores(count: int, changes: dict[int, float], slow: dict[int, float]) -> np.ndarray:
    found = np.zeros((count, 2), np.float32)
    for column, values in enumerate((changes, slow)):
        for frame, share in values.items():
            found[frame, column] = share
    return found


def test_a_change_after_a_frame_is_a_cut_before_the_next():
    assert find_boundaries(make_scores(30, {9: 0.9}, {9: 0.8}), 0.5) == ([10], [])
    assert find_boundaries(make_scores(30, {9: 0.9}, {}), 0.5) == ([10], [])
    assert find_boundaries(make_scores(30, {9: 0.6, 10: 0.7}, {9: 0.8, 10: 0.8}), 0.5) == ([11], [])
    assert find_boundaries(make_scores(30, {9: 0.4}, {9: 0.9}), 0.5) == ([], [])
    assert find_boundaries(make_scores(30, {9: 0.4}, {}), 0.4) == ([10], [])
    assert find_boundaries(make_scores(30, {29: 0.9}, {}), 0.5) == ([], [])


def test_a_slow_change_is_a_transition():
    slow = dict.fromkeys(range(8, 15), 0.7)
    span = Span(kind="transition", start=8, end=15)
    assert find_boundaries(make_scores(30, {11: 0.9}, slow), 0.5) == ([], [span])
    assert find_boundaries(make_scores(30, {9: 0.9, 13: 0.9, 20: 0.9}, slow), 0.5) == ([21], [span])
    assert find_boundaries(make_scores(30, {}, slow), 0.5) == ([], [])


def test_flashes_and_gaps_are_treated_as_with_the_other_detector():
    frames = draw_scene(4, 60)
    lit = [frame // 4 + 190 if 20 <= k < 23 else frame for k, frame in enumerate(frames)]
    series = measure_scan(lit, [k + (90 if k >= 40 else 0) for k in range(60)])
    shots, soft = find_shots(series, _FPS, _TICK, SplitConfig(), make_scores(60, {19: 0.9, 22: 0.9}, {}))
    assert [(shot.start_frame, shot.end_frame) for shot in shots] == [(0, 40), (40, 60)] and soft == []
    cut = find_shots(measure_scan(frames), _FPS, _TICK, SplitConfig(), make_scores(60, {19: 0.9}, {}))[0]
    assert [shot.start_frame for shot in cut] == [0, 20]
