"""Time windows: instants at the training rate, in frames of the stored clip."""

import hashlib

import numpy as np

_TOLERANCE = 1e-5
"""Tolerance in frames, larger than the rounding errors of float64 rates and of the buckets' rule."""


def draw_window(
    key: str, num_frames: int, fps: float, length: int, target_fps: int, seed: int, epoch: int
) -> np.ndarray:
    """Draw a random window inside the clip: (length,) float64 ascending instants, in frames of the clip.

    The window starts on a frame, drawn uniformly. It depends only on seed, epoch and key. ValueError if the clip is too
    short.
    """
    step = fps / target_fps
    starts = int(np.floor(num_frames - 1 - (length - 1) * step + _TOLERANCE)) + 1
    if starts < 1:
        raise ValueError(f"{num_frames} frames at {fps:g} fps are less than {length} frames at {target_fps} fps")
    digest = hashlib.blake2b(f"{seed} {epoch} {key}".encode(), digest_size=8).digest()
    start = int.from_bytes(digest, "big") * starts >> 64
    return _snap_to_frames(start + np.arange(length) * step)


def compute_clip_instants(num_frames: int, fps: float, target_fps: int) -> np.ndarray:
    """Compute the instants at the target rate of a whole clip: (T,) float64, ascending, in its frames."""
    step = fps / target_fps
    return _snap_to_frames(np.arange(int((num_frames - 1 + _TOLERANCE) / step) + 1) * step)


def _snap_to_frames(instants: np.ndarray) -> np.ndarray:
    whole = np.round(instants)
    return np.where(np.abs(instants - whole) < _TOLERANCE, whole, instants)


def find_nearest_frames(instants: np.ndarray) -> np.ndarray:
    """Find the frame nearest to each instant, (T,) int64; the later one halfway between two."""
    return np.floor(instants + 0.5).astype(np.int64)
