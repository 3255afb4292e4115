"""Cuts and transitions from a network's answers for every frame."""

import numpy as np

from pipelines.stages.transitions import Span

_SHORT = 2
"""Frames: a change of no more than these is a cut, even where fields or a codec blend a frame."""


def boundaries(answers: np.ndarray, threshold: float) -> tuple[list[int], list[Span]]:
    """The first frames of new shots after hard cuts, and the slower transitions, both ascending.

    `answers` (N, 2), 0..1: that the shot changes after this frame, and that this frame is part of a change. A
    transition is a run of the second in which the first passes the threshold, too.
    """
    changes = _runs(answers[:, 0] >= threshold)
    slow = [run for run in _runs(answers[:, 1] >= threshold) if run[1] - run[0] > _SHORT]
    cuts, spans = set(), set()
    for start, end in changes:
        within = next(((a, b) for a, b in slow if a < end and start < b), None)
        if within is not None:
            spans.add(within)
        elif end < len(answers):
            cuts.add(end)
    return sorted(cuts), [Span(kind="transition", start=a, end=b) for a, b in sorted(spans)]


def _runs(hit: np.ndarray) -> list[tuple[int, int]]:
    """The (start, end) of each run of True."""
    edges = np.diff(np.concatenate([[False], hit, [False]]).astype(np.int8))
    return list(zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True))
