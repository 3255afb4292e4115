"""Clips that show the same moment twice: re-encoded, rescaled, or uploaded again."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from humove.config import Strict
from humove.video.scan import Scan

_LOOKS = 4
_MOMENTS = 8
_GRID = 16
_BITS = 256
"""Of each half of a signature: what the picture looks like, and how it changes."""
_BANDS = 16
CROWD = 32
"""In a bucket each clip is compared with so many at most: the first ones of the order of precedence."""


class DedupConfig(Strict):
    """Near duplicates, settled once a batch."""

    near: Literal["on", "off"] = Field("on", description="off: keep clips that show the same moment twice")
    max_distance: int = Field(
        30, ge=0, le=100, description="of 256 bits of look, and of 256 of movement, how many may differ in a duplicate"
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Entry:
    """A clip among which duplicates are looked for."""

    clip_id: str
    signature: Sequence[int] | np.ndarray
    """The 8 words of `signature`."""


def _projections() -> np.ndarray:
    """(_BITS, _MOMENTS * _GRID**2) int32 of +1 and -1; a hash function's bits, so that they never change."""
    size = _BITS * _MOMENTS * _GRID * _GRID
    bits = np.unpackbits(np.frombuffer(hashlib.shake_256(b"humove near duplicates 1").digest(size // 8), np.uint8))
    return bits.reshape(_BITS, -1).astype(np.int32) * 2 - 1


_PROJECTIONS = _projections()


def signature(scan: Scan, start: int, end: int) -> np.ndarray:
    """(8,) uint64 of the frames start to end (exclusive): four difference hashes of pictures spread over the clip,
    then 256 bits of what changes.

    The latter are signs of random projections (Charikar 2002) of small pictures less their mean over the clip: a
    still background takes no part, so that two moments of one scene are far apart though they look alike.
    """
    times = scan.pts[start:end]

    def at(count: int) -> np.ndarray:
        moments = times[0] + (times[-1] - times[0]) * (np.arange(count) * 2 + 1) / (2 * count)
        return start + np.abs(times[:, None] - moments).argmin(axis=0)

    thumbs = scan.thumb[at(_MOMENTS)].astype(np.int32)
    cells = thumbs.reshape(_MOMENTS, _GRID, thumbs.shape[1] // _GRID, _GRID, -1).sum(axis=(2, 4))
    change = _MOMENTS * cells - cells.sum(axis=0)
    bits = (_PROJECTIONS @ change.ravel()) > 0
    return np.concatenate([scan.dhash[at(_LOOKS)], np.packbits(bits).view(">u8").astype(np.uint64)])


def bands(signatures: np.ndarray) -> np.ndarray:
    """(N, _BANDS) uint32 keys of 24 bits: 16 of movement and 8 of look."""
    octets = np.ascontiguousarray(signatures).view(np.uint8).reshape(len(signatures), 2, _BITS // 8).astype(np.uint32)
    look, change = octets[:, 0, :: _BITS // 8 // _BANDS], octets[:, 1].reshape(len(signatures), _BANDS, 2)
    return look << 16 | change[:, :, 0] << 8 | change[:, :, 1]


def _pairs(keys: np.ndarray) -> np.ndarray:
    """(P, 2) int64 pairs i < j of rows that share a key: the first CROWD rows of a bucket with all after them."""
    order = np.argsort(keys, kind="stable")
    ranked = keys[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    sizes = np.diff(np.r_[starts, len(ranked)])
    firsts = np.minimum(sizes - 1, CROWD)
    within = np.arange(firsts.sum()) - np.repeat(np.cumsum(firsts) - firsts, firsts)
    left = np.repeat(starts, firsts) + within
    after = np.repeat(sizes, firsts) - within - 1
    i = np.repeat(left, after)
    j = i + 1 + np.arange(after.sum()) - np.repeat(np.cumsum(after) - after, after)
    return np.stack([order[i], order[j]], axis=1)


def _close(signatures: np.ndarray, pairs: np.ndarray, max_distance: int) -> np.ndarray:
    apart = np.bitwise_count(signatures[pairs[:, 0]] ^ signatures[pairs[:, 1]]).astype(np.int64)
    half = _LOOKS
    return (apart[:, :half].sum(axis=1) <= max_distance) & (apart[:, half:].sum(axis=1) <= max_distance)


def find_near_duplicates(entries: Sequence[Entry], config: DedupConfig, settled: int = 0) -> dict[str, str]:
    """Which clips go, and for each the clip that stays in its place.

    `entries` come in order of precedence (earlier batches, then higher resolution, then lower clip_id): of two alike
    the earlier one stays, and a clip goes only for one that stays. The first `settled` entries are of earlier batches:
    they lie in shards and stay, also where a crowded bucket compares others of them now than it did then. Banded
    hashing: a million clips take some hundred bytes each and no pass over all pairs.
    """
    if config.near == "off" or len(entries) < 2:
        return {}
    signatures = np.array([entry.signature for entry in entries], dtype=np.uint64)
    keys = bands(signatures)
    near: list[np.ndarray] = []
    for band in range(_BANDS):
        pairs = _pairs(keys[:, band])
        near.append(pairs[_close(signatures, pairs, config.max_distance)])
    gone: dict[int, int] = {}
    for first, second in np.unique(np.concatenate(near), axis=0).tolist():
        if second >= settled and first not in gone and second not in gone:
            gone[second] = first
    return {entries[second].clip_id: entries[first].clip_id for second, first in gone.items()}
