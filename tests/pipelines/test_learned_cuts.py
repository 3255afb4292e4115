"""What is made of a network's answers."""

from fractions import Fraction

import numpy as np

from pipelines.stages.cuts import SplitConfig, find_shots
from pipelines.stages.learned_cuts import boundaries
from pipelines.stages.transitions import Span
from tests.pipelines.scenes import scan_of, scene

_FPS, _TICK = Fraction(30), Fraction(1, 30)


def answers(count: int, changes: dict[int, float], slow: dict[int, float]) -> np.ndarray:
    found = np.zeros((count, 2), np.float32)
    for column, said in enumerate((changes, slow)):
        for frame, share in said.items():
            found[frame, column] = share
    return found


def test_a_change_after_a_frame_is_a_cut_before_the_next():
    assert boundaries(answers(30, {9: 0.9}, {9: 0.8}), 0.5) == ([10], [])
    assert boundaries(answers(30, {9: 0.9}, {}), 0.5) == ([10], [])
    assert boundaries(answers(30, {9: 0.6, 10: 0.7}, {9: 0.8, 10: 0.8}), 0.5) == ([11], [])
    assert boundaries(answers(30, {9: 0.4}, {9: 0.9}), 0.5) == ([], [])
    assert boundaries(answers(30, {9: 0.4}, {}), 0.4) == ([10], [])
    assert boundaries(answers(30, {29: 0.9}, {}), 0.5) == ([], [])


def test_a_slow_change_takes_its_frames():
    slow = dict.fromkeys(range(8, 15), 0.7)
    span = Span(kind="transition", start=8, end=15)
    assert boundaries(answers(30, {11: 0.9}, slow), 0.5) == ([], [span])
    assert boundaries(answers(30, {9: 0.9, 13: 0.9, 20: 0.9}, slow), 0.5) == ([21], [span])
    assert boundaries(answers(30, {}, slow), 0.5) == ([], [])


def test_flashes_and_gaps_count_as_with_the_other_detector():
    pictures = scene(4, 60)
    lit = [picture // 4 + 190 if 20 <= k < 23 else picture for k, picture in enumerate(pictures)]
    series = scan_of(lit, [k + (90 if k >= 40 else 0) for k in range(60)])
    shots, soft = find_shots(series, _FPS, _TICK, SplitConfig(), answers(60, {19: 0.9, 22: 0.9}, {}))
    assert [(shot.start_frame, shot.end_frame) for shot in shots] == [(0, 40), (40, 60)] and soft == []
    cut = find_shots(scan_of(pictures), _FPS, _TICK, SplitConfig(), answers(60, {19: 0.9}, {}))[0]
    assert [shot.start_frame for shot in cut] == [0, 20]
