"""The mapping from output frames to source frames."""

from fractions import Fraction

import numpy as np

MAX_FPS = 60
_JITTER = 0.75
"""In frames: a smaller deviation of a timestamp from an even grid is jitter, not a variable rate."""


def compute_output_rate(fps: Fraction) -> Fraction:
    """Return the rate of the stored clip: the source's own, halved until it is at most 60."""
    while fps > MAX_FPS:
        fps /= 2
    return fps


def map_output_frames(pts: np.ndarray, time_base: Fraction, fps: Fraction) -> np.ndarray:
    """Return the index into `pts` of each output frame; (M,) int64, never descending.

    `pts` (N,) int64 ascending. At a constant rate these are all frames, or every second one above 60 fps; at a
    variable rate each output frame is the one displayed at its time, to the nearest half frame.
    """
    place = (pts - pts[0]) * float(time_base * fps)
    if np.abs(place - np.arange(len(pts))).max() <= _JITTER:
        shown = np.arange(len(pts), dtype=np.int64)
    else:
        moments = np.arange(round(place[-1]) + 1)
        shown = np.searchsorted(place, moments + 0.5, side="right").astype(np.int64) - 1
    return shown[:: int(fps / compute_output_rate(fps))]
