"""Which source frame each output frame shows."""

from fractions import Fraction

import numpy as np

MAX_FPS = 60
_JITTER = 0.75
"""Frames. A timestamp nearer than this to its place on an even grid is jitter, not a variable rate."""


def output_rate(fps: Fraction) -> Fraction:
    """The rate of the stored clip: the source's own, halved until it is not above 60."""
    while fps > MAX_FPS:
        fps /= 2
    return fps


def resample(pts: np.ndarray, time_base: Fraction, fps: Fraction) -> np.ndarray:
    """The index into `pts` that each output frame shows; (M,) int64, never descending.

    `pts` (N,) int64 ascending. At a constant rate that is every frame, or every second one above 60 fps; at a
    variable rate each output frame shows the picture that a viewer sees at that moment, to the nearest half frame.
    """
    place = (pts - pts[0]) * float(time_base * fps)
    if np.abs(place - np.arange(len(pts))).max() <= _JITTER:
        shown = np.arange(len(pts), dtype=np.int64)
    else:
        moments = np.arange(round(place[-1]) + 1)
        shown = np.searchsorted(place, moments + 0.5, side="right").astype(np.int64) - 1
    return shown[:: int(fps / output_rate(fps))]
