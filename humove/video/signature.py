"""Clip signatures for the near-duplicate search."""

import hashlib

import numpy as np

from humove.video.scan import Scan

_APPEARANCE_FRAMES = 4
_CHANGE_FRAMES = 8
_GRID = 16
_BITS = 256
"""Bits of each half of a signature: the frames' appearance, and their change."""


def _draw_projections() -> np.ndarray:
    """Draw (_BITS, _CHANGE_FRAMES * _GRID**2) int32 of +1 and -1 from a hash function, so that they never change."""
    size = _BITS * _CHANGE_FRAMES * _GRID * _GRID
    bits = np.unpackbits(np.frombuffer(hashlib.shake_256(b"humove near duplicates 1").digest(size // 8), np.uint8))
    return bits.reshape(_BITS, -1).astype(np.int32) * 2 - 1


_PROJECTIONS = _draw_projections()


def compute_signature(scan: Scan, start: int, end: int) -> np.ndarray:
    """Compute (8,) uint64 of the frames start to end (exclusive): 256 bits of appearance, then 256 bits of change.

    The appearance is the difference hashes of four frames spread over the clip. The bits of change are signs of random
    projections (Charikar 2002) of eight small frames minus their mean over the clip: a still background cancels out,
    so that two moments of one scene are far apart though they look alike.
    """
    times = scan.pts[start:end]

    def find_frames(count: int) -> np.ndarray:
        moments = times[0] + (times[-1] - times[0]) * (np.arange(count) * 2 + 1) / (2 * count)
        return start + np.abs(times[:, None] - moments).argmin(axis=0)

    thumbs = scan.thumb[find_frames(_CHANGE_FRAMES)].astype(np.int32)
    cells = thumbs.reshape(_CHANGE_FRAMES, _GRID, thumbs.shape[1] // _GRID, _GRID, -1).sum(axis=(2, 4))
    change = _CHANGE_FRAMES * cells - cells.sum(axis=0)
    bits = (_PROJECTIONS @ change.ravel()) > 0
    return np.concatenate(
        [scan.dhash[find_frames(_APPEARANCE_FRAMES)], np.packbits(bits).view(">u8").astype(np.uint64)]
    )
