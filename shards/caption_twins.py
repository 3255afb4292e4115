"""Captions that say nearly the same: a model that describes every clip alike, or videos that are alike.

MinHash over runs of three words, banded (A. Broder, 1997; Leskovec et al., Mining of Massive Datasets, 3.4): 64 words
of 4 bytes a caption, whatever its length; each pair that shares a band is compared by its whole signature.
"""

import re
import zlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

SIMILAR = 0.7
"""Share of common word runs (Jaccard) from which two captions are twins. Of 64 hashes it is off by about 0.06."""
_HASHES, _BANDS, _GRAM = 64, 16, 3
_PRIME = np.uint64((1 << 31) - 1)
_SEEDS = np.random.default_rng(20).integers(1, int(_PRIME), (2, _HASHES), dtype=np.uint64)
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_MOST_COMPARED = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Twins:
    """A caption, by its place among those given, and the first one that says nearly the same."""

    place: int
    earlier: int
    similarity: float


def caption_twins(captions: Iterable[str]) -> list[Twins]:
    """Every caption that an earlier one resembles. Captions that are equal are twins; empty ones are not."""
    signatures: list[np.ndarray | None] = []
    bands: list[dict[bytes, list[int]]] = [defaultdict(list) for _ in range(_BANDS)]
    found = []
    for place, text in enumerate(captions):
        own = signature(text)
        signatures.append(own)
        if own is None:
            continue
        near: dict[int, None] = {}
        for band, part in zip(bands, np.split(own, _BANDS), strict=True):
            same = band[part.tobytes()]
            near |= dict.fromkeys(same[:_MOST_COMPARED])
            if len(same) < _MOST_COMPARED:
                same.append(place)
        likeness = {other: float((signatures[other] == own).mean()) for other in sorted(near)}
        best = max(likeness, key=lambda other: likeness[other], default=None)
        if best is not None and likeness[best] >= SIMILAR:
            found.append(Twins(place=place, earlier=best, similarity=likeness[best]))
    return found


def signature(text: str) -> np.ndarray | None:
    """(64,) uint32 MinHash of a text's word runs; None where it has no word."""
    words = _WORD.findall(text.lower())
    if not words:
        return None
    runs = {" ".join(words[i : i + _GRAM]) for i in range(max(1, len(words) - _GRAM + 1))}
    hashed = np.array([zlib.crc32(run.encode()) for run in runs], np.uint64) % _PRIME
    mixed = (_SEEDS[0, :, None] * hashed + _SEEDS[1, :, None]) % _PRIME
    return mixed.min(1).astype(np.uint32)
