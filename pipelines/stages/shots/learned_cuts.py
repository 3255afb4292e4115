"""Cuts and transitions from a network's scores for every frame."""

import numpy as np

from pipelines.stages.shots.transitions import Span

_SHORT = 2
"""Frames: a change of at most this length is a cut, even if fields or a codec blend a frame."""


def find_boundaries(scores: np.ndarray, threshold: float) -> tuple[list[int], list[Span]]:
    """Find the first frames of new shots after hard cuts, and the slower transitions, both ascending.

    `scores` (N, 2), 0..1: whether the shot changes after this frame, and whether this frame is part of a change. A
    transition is a run of the second that contains a run of the first.
    """
    changed = _find_runs(scores[:, 0] >= threshold)
    slow = [run for run in _find_runs(scores[:, 1] >= threshold) if run[1] - run[0] > _SHORT]
    cuts, spans = set(), set()
    for start, end in changed:
        within = next(((a, b) for a, b in slow if a < end and start < b), None)
        if within is not None:
            spans.add(within)
        elif end < len(scores):
            cuts.add(end)
    return sorted(cuts), [Span(kind="transition", start=a, end=b) for a, b in sorted(spans)]


def _find_runs(hit: np.ndarray) -> list[tuple[int, int]]:
    """Find the (start, end) of each run of True."""
    edges = np.diff(np.concatenate([[False], hit, [False]]).astype(np.int8))
    return list(zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True))
