"""Captions that say nearly the same: a model that describes every clip alike, or videos that are alike.

MinHash over runs of three words, banded (A. Broder, 1997; Leskovec et al., Mining of Massive Datasets, 3.4): 64 hashes
of 4 bytes a caption, whatever its length. Captions that share a band are compared by their whole signatures.
"""

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

SIMILAR = 0.7
"""Share of common word runs (Jaccard) from which two captions are twins; 64 hashes tell it to about 0.06."""
_HASHES, _BANDS, _GRAM = 64, 16, 3
_CHUNK = 2048
_RANDOM = np.random.default_rng(20)
_FACTORS = _RANDOM.integers(1 << 63, size=_HASHES, dtype=np.uint64) * 2 + 1
_OFFSETS = _RANDOM.integers(1 << 63, size=_HASHES, dtype=np.uint64)
_PLACES = _RANDOM.integers(1 << 63, size=_GRAM, dtype=np.uint64) * 2 + 1
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Twins:
    """A caption, by its place among those given, and an earlier one that says nearly the same."""

    place: int
    earlier: int
    similarity: float


def caption_twins(captions: Sequence[str]) -> list[Twins]:
    """Every caption that an earlier one resembles, in order. Equal captions are twins; those without a word are not."""
    known, rows = signatures(captions)
    best, likeness = np.full(len(known), -1), np.zeros(len(known))
    for band in np.split(rows, _BANDS, axis=1) if len(rows) else ():
        for other in _earlier(band):
            near = np.flatnonzero(other >= 0)
            same = (rows[near] == rows[other[near]]).mean(1)
            better = same > likeness[near]
            best[near[better]], likeness[near[better]] = other[near[better]], same[better]
    return [
        Twins(place=int(known[i]), earlier=int(known[best[i]]), similarity=float(likeness[i]))
        for i in np.flatnonzero(likeness >= SIMILAR)
    ]


def signatures(captions: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """(M,) int64, the places of captions with a word, and their MinHashes (M, 64) uint32."""
    places, rows = [np.empty(0, np.int64)], [np.empty((0, _HASHES), np.uint32)]
    for start in range(0, len(captions), _CHUNK):
        words = [_WORD.findall(text.lower()) for text in captions[start : start + _CHUNK]]
        places.append(np.array([start + i for i, each in enumerate(words) if each], np.int64))
        rows.append(_min_hashes([each for each in words if each]))
    return np.concatenate(places), np.concatenate(rows)


def _min_hashes(texts: list[list[str]]) -> np.ndarray:
    """(M, 64) uint32 of M texts, their words given; a text of fewer words than a run has is one run."""
    if not texts:
        return np.empty((0, _HASHES), np.uint32)
    padded = [words + [""] * (_GRAM - len(words)) for words in texts]
    codes = np.array([zlib.crc32(w.encode("utf-8", "surrogatepass")) for words in padded for w in words], np.uint64)
    lengths = np.array([len(words) for words in padded])
    reach = len(codes) - _GRAM + 1
    every = sum(codes[k : k + reach] * place for k, place in enumerate(_PLACES))  # wraps around, as it should
    whole = np.ones(len(codes), bool)
    for k in range(1, _GRAM):
        whole[np.cumsum(lengths) - k] = False  # a run that would reach into the next text
    every = every[whole[:reach]]
    counts = lengths - _GRAM + 1
    starts = np.cumsum(counts) - counts
    every ^= every >> np.uint64(33)  # the high bits are what is kept below: let them depend on all
    columns = (
        np.minimum.reduceat(((every * factor + offset) >> np.uint64(32)).astype(np.uint32), starts)
        for factor, offset in zip(_FACTORS, _OFFSETS, strict=True)
    )
    return np.stack(list(columns), 1)


def _earlier(band: np.ndarray) -> Iterator[np.ndarray]:
    """Twice (M,) int64: for each row the first one with an equal band, then the last one before it; -1 for none."""
    number = sum(column.astype(np.uint64) * factor for column, factor in zip(band.T, _FACTORS, strict=False))
    order = np.argsort(number, kind="stable")
    same = np.flatnonzero(number[order[1:]] == number[order[:-1]]) + 1
    begins = np.arange(len(order))
    begins[same] = 0
    oldest, before = np.full((2, len(band)), -1)
    oldest[order[same]] = order[np.maximum.accumulate(begins)[same]]
    before[order[same]] = order[same - 1]
    yield oldest
    yield before
