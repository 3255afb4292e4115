"""The part of a clip that one epoch shows: instants at the training rate, in frames of the stored clip."""

import hashlib

import numpy as np

_EXACT = 1e-5
"""Frames: nearer than this to a whole frame is that frame; float64 rates and the buckets' rule are off by less."""


def draw_window(
    key: str, num_frames: int, fps: float, length: int, target_fps: int, seed: int, epoch: int
) -> np.ndarray:
    """(length,) float64 ascending instants of a random window, counted in frames of the clip; all within it.

    The window starts on a frame, each possible one as likely as another. It follows from seed, epoch and key alone,
    so that it is the same whoever reads the sample, and when. ValueError where the clip is too short for it.
    """
    step = fps / target_fps
    starts = int(np.floor(num_frames - 1 - (length - 1) * step + _EXACT)) + 1
    if starts < 1:
        raise ValueError(f"{num_frames} frames at {fps:g} fps hold no {length} frames at {target_fps} fps")
    drawn = hashlib.blake2b(f"{seed} {epoch} {key}".encode(), digest_size=8).digest()
    start = int.from_bytes(drawn, "big") * starts >> 64
    return _snapped(start + np.arange(length) * step)


def whole_clip(num_frames: int, fps: float, target_fps: int) -> np.ndarray:
    """(T,) float64 ascending instants at the target rate from the clip's first frame to its end, in its frames."""
    step = fps / target_fps
    return _snapped(np.arange(int((num_frames - 1 + _EXACT) / step) + 1) * step)


def _snapped(instants: np.ndarray) -> np.ndarray:
    whole = np.round(instants)
    return np.where(np.abs(instants - whole) < _EXACT, whole, instants)


def nearest_frames(instants: np.ndarray) -> np.ndarray:
    """(T,) int64: the frame nearest to each instant in time; the later one half-way between two."""
    return np.floor(instants + 0.5).astype(np.int64)
