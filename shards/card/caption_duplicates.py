"""Find near-duplicate captions: from a model that describes all clips alike, or of similar videos.

Banded MinHash over runs of three words (A. Broder, 1997; Leskovec et al., Mining of Massive Datasets, 3.4): 64 hashes
of 4 bytes per caption. Captions that share a band are compared by their full signatures.
"""

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

SIMILAR = 0.7
"""Share of common word runs (Jaccard) from which captions are duplicates; 64 hashes estimate it to about 0.06."""
_HASHES, _BANDS, _GRAM = 64, 16, 3
_CHUNK = 2048
_RANDOM = np.random.default_rng(20)
_FACTORS = _RANDOM.integers(1 << 63, size=_HASHES, dtype=np.uint64) * 2 + 1
_OFFSETS = _RANDOM.integers(1 << 63, size=_HASHES, dtype=np.uint64)
_POSITIONS = _RANDOM.integers(1 << 63, size=_GRAM, dtype=np.uint64) * 2 + 1
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateCaption:
    """A caption, by its index, and the earlier caption that it nearly repeats."""

    index: int
    duplicate_of: int
    similarity: float


def find_duplicate_captions(captions: Sequence[str]) -> list[DuplicateCaption]:
    """Find the captions that nearly or exactly repeat an earlier one, in order. Captions without a word are skipped."""
    known, rows = compute_signatures(captions)
    best, likeness = np.full(len(known), -1), np.zeros(len(known))
    for band in np.split(rows, _BANDS, axis=1) if len(rows) else ():
        for other in _find_earlier(band):
            near = np.flatnonzero(other >= 0)
            same = (rows[near] == rows[other[near]]).mean(1)
            better = same > likeness[near]
            best[near[better]], likeness[near[better]] = other[near[better]], same[better]
    return [
        DuplicateCaption(index=int(known[i]), duplicate_of=int(known[best[i]]), similarity=float(likeness[i]))
        for i in np.flatnonzero(likeness >= SIMILAR)
    ]


def compute_signatures(captions: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of captions with a word, (M,) int64, and their MinHashes, (M, 64) uint32."""
    indices, rows = [np.empty(0, np.int64)], [np.empty((0, _HASHES), np.uint32)]
    for start in range(0, len(captions), _CHUNK):
        words = [_WORD.findall(text.lower()) for text in captions[start : start + _CHUNK]]
        indices.append(np.array([start + i for i, each in enumerate(words) if each], np.int64))
        rows.append(_compute_min_hashes([each for each in words if each]))
    return np.concatenate(indices), np.concatenate(rows)


def _compute_min_hashes(texts: list[list[str]]) -> np.ndarray:
    """Compute (M, 64) uint32 of M lists of words; a text shorter than a run counts as one run."""
    if not texts:
        return np.empty((0, _HASHES), np.uint32)
    padded = [words + [""] * (_GRAM - len(words)) for words in texts]
    codes = np.array([zlib.crc32(w.encode("utf-8", "surrogatepass")) for words in padded for w in words], np.uint64)
    lengths = np.array([len(words) for words in padded])
    reach = len(codes) - _GRAM + 1
    every = sum(codes[k : k + reach] * factor for k, factor in enumerate(_POSITIONS))  # overflow wraps
    inside = np.ones(len(codes), bool)
    for k in range(1, _GRAM):
        inside[np.cumsum(lengths) - k] = False  # a run that would extend into the next text
    every = every[inside[:reach]]
    counts = lengths - _GRAM + 1
    starts = np.cumsum(counts) - counts
    every ^= every >> np.uint64(33)  # only the high bits are used below: make them depend on all
    columns = (
        np.minimum.reduceat(((every * factor + offset) >> np.uint64(32)).astype(np.uint32), starts)
        for factor, offset in zip(_FACTORS, _OFFSETS, strict=True)
    )
    return np.stack(list(columns), 1)


def _find_earlier(band: np.ndarray) -> Iterator[np.ndarray]:
    """Yield (M,) int64 twice: for each row the first row with an equal band, then the previous one; -1 for none."""
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
