"""Search for clips of the same moment: re-encoded, rescaled, or uploaded again.

A signature (`humove.video.signature`) has 256 bits of appearance and 256 bits of change. Two clips match where both
halves differ in at most `max_distance` bits. No pass compares all pairs: each clip has dozens of keys, each of a few
sampled bits, and clips that share a key are compared. The number of keys follows from `max_distance`, so that more than
99 % of the pairs at that distance in both halves, with differing bits at random places, share a key.

- Keys sample the bits of change, since one scene gives many clips that look alike. Clips that hardly change are
  keyed by their appearance instead. The two groups overlap, so that each pair within `max_distance` is in one of them.
- A second level of keys splits large buckets by more bits of appearance. A pair counts only if it shares a key of
  the second level too, in small buckets as well. So whether two clips match depends on their two signatures alone,
  not on other clips, batches, or the size of a bucket.
"""

from typing import Literal

import numpy as np
from pydantic import Field

from humove.config.strict import Strict
from humove.near_duplicates.signature_tables import APPEARANCE, CHANGE, BucketJoin, Buffer, KeyGroup, Members, Words

MAX_DISTANCE = 50
"""Beyond it, keys that 99 % of the pairs share are so short that the search compares nearly all pairs."""
_CHUNK = 1 << 16
"""Clips processed at once."""
_MAX_PAIRS = 1 << 21
"""Pairs held at once; a chunk with more is processed in halves."""
_NO_MATCH = np.iinfo(np.int64).max


class DedupConfig(Strict):
    """Settings of the near-duplicate filter, which runs once per batch."""

    near: Literal["on", "off"] = Field("on", description="off: keep near duplicates")
    max_distance: int = Field(
        30,
        ge=0,
        le=MAX_DISTANCE,
        description="most bits that differ in a duplicate, of 256 of appearance and of 256 of change",
    )


class NearDuplicateIndex:
    """An index of the kept clips, and the search for near duplicates of them.

    Takes 64 bytes per clip and 4 per table: about 250 bytes at the default max_distance, 440 at most.
    """

    def __init__(self, max_distance: int) -> None:
        if not 0 <= max_distance <= MAX_DISTANCE:
            raise ValueError(f"max_distance is {max_distance}; it must be from 0 to {MAX_DISTANCE}")
        self._max_distance = max_distance
        self._columns = [Buffer(np.complex128) for _ in range(4)]
        self._entries = Words.from_signatures(np.zeros((0, 8), np.uint64))
        self._groups = [KeyGroup(half, max_distance) for half in (CHANGE, APPEARANCE)]

    def __len__(self) -> int:
        """Number of clips kept or added."""
        return len(self._entries)

    def settle(self, signatures: np.ndarray) -> np.ndarray:
        """Decide which clips of a batch are kept, and add those.

        `signatures` is (N, 8) uint64 in order of precedence: of two matching clips the earlier one is kept, and
        earlier batches precede later ones. A clip is dropped only for a kept one. Returns (N,) int64: -1 where the
        clip is kept, else the index, among all clips kept or added, of the first one that it matches.
        """
        signatures = _check_signatures(signatures)
        kept_by = np.empty(len(signatures), np.int64)
        todo = [(start, min(start + _CHUNK, len(signatures))) for start in range(0, len(signatures), _CHUNK)][::-1]
        while todo:
            start, end = todo.pop()
            found = self._settle_chunk(signatures[start:end])
            if found is None:
                middle = (start + end) // 2
                todo += [(middle, end), (start, middle)]
            else:
                kept_by[start:end] = found
        return kept_by

    def add(self, signatures: np.ndarray) -> None:
        """Add clips of earlier batches: they are kept, whatever they match."""
        signatures = _check_signatures(signatures)
        for start in range(0, len(signatures), _CHUNK):
            chunk = Words.from_signatures(signatures[start : start + _CHUNK])
            # A clip equal to an earlier one needs no keys: the earlier one is always the first match.
            firsts, _ = _group_equal(chunk)
            distinct = chunk.take(firsts)
            for group in self._groups:
                group.insert(group.select(distinct), len(self._entries) + firsts)
            self._append_entries(chunk)

    def _settle_chunk(self, signatures: np.ndarray) -> np.ndarray | None:
        """As `settle`; None, with nothing added, if too many pairs match."""
        chunk = Words.from_signatures(signatures)
        firsts, group_of = _group_equal(chunk)
        distinct = chunk.take(firsts)
        members = [group.select(distinct) for group in self._groups]
        earlier = self._match_entries(distinct, members)
        pairs = self._match_each_other(distinct, members, earlier == _NO_MATCH)
        if pairs is None:
            return None
        winner = _choose_winners(len(distinct), pairs)
        kept = (earlier == _NO_MATCH) & (winner == _NO_MATCH)
        ids = len(self._entries) + np.cumsum(kept) - 1
        for group, some in zip(self._groups, members, strict=True):
            group.insert(some.keep(kept), ids)
        self._append_entries(distinct.take(np.flatnonzero(kept)))
        inside = np.flatnonzero(winner != _NO_MATCH)
        earlier[inside] = ids[winner[inside]]
        earlier[kept] = ids[kept]
        found = earlier[group_of]
        found[firsts[kept]] = -1
        return found

    def _match_entries(self, clips: Words, members: list[Members]) -> np.ndarray:
        """Return (N,) int64: for each clip the first entry that it matches, or _NO_MATCH."""
        best = np.full(len(clips), _NO_MATCH)
        for group, some in zip(self._groups, members, strict=True):
            if not len(group) or not len(some.rows):
                continue
            for table in range(len(group.layout.keys)):
                rows, keys = some.sort(table)
                first, end = group.find_buckets(table, keys)
                join = BucketJoin(
                    group.layout, table, clips, rows, first, end, self._entries, group.get_order(table),
                    self._max_distance,
                )  # fmt: skip
                for left, right in join.run():
                    np.minimum.at(best, left, right)
        return best

    def _match_each_other(self, clips: Words, members: list[Members], free: np.ndarray) -> np.ndarray | None:
        """Return (P, 2) int64: pairs i < j of the `free` clips that match; None if there are too many."""
        found = [np.zeros((0, 2), np.int64)]
        total = 0
        for group, some in zip(self._groups, members, strict=True):
            some = some.keep(free)
            for table in range(len(group.layout.keys) if len(some.rows) > 1 else 0):
                rows, keys = some.sort(table)
                places = np.arange(len(rows))
                new = np.r_[True, keys[1:] != keys[:-1]]
                starts = np.maximum.accumulate(np.where(new, places, 0))
                join = BucketJoin(group.layout, table, clips, rows, starts, places, clips, rows, self._max_distance)
                for left, right in join.run():
                    found.append(np.stack([right, left], axis=1))
                    total += len(left)
                    if total > _MAX_PAIRS:
                        return None
        return np.concatenate(found)

    def _append_entries(self, clips: Words) -> None:
        size = len(self._entries)
        # Release the old columns, so that only one at a time is held twice when they are reallocated.
        self._entries = Words(columns=())
        for buffer, column in zip(self._columns, clips.columns, strict=True):
            buffer.resize(size + len(clips))[size:] = column
        self._entries = Words(columns=tuple(buffer.array for buffer in self._columns))


def _check_signatures(signatures: np.ndarray) -> np.ndarray:
    signatures = np.asarray(signatures)
    if signatures.dtype != np.uint64 or signatures.shape[1:] != (8,):
        raise ValueError(f"signatures are {signatures.dtype} {signatures.shape}; they must be uint64 (N, 8)")
    return signatures


def _group_equal(clips: Words) -> tuple[np.ndarray, np.ndarray]:
    """Return the first row of each group of equal signatures, ascending, and each row's group."""
    signatures = clips.to_signatures()
    mixed = np.zeros(len(clips), np.uint64)
    for word in signatures.T:
        mixed = (mixed ^ word) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    _, first, inverse = np.unique(mixed, return_index=True, return_inverse=True)
    first = first[inverse]
    # Different signatures with one hash: the later one is a group of its own.
    odd = (signatures[first] != signatures).any(axis=1)
    first[odd] = np.flatnonzero(odd)
    firsts, group_of = np.unique(first, return_inverse=True)
    return firsts, group_of


def _choose_winners(count: int, pairs: np.ndarray) -> np.ndarray:
    """Return (count,) int64: for each clip the first kept one that it matches, or _NO_MATCH if it is kept itself.

    In each round, clips with no undecided match before them are kept, and later clips that match them are dropped.
    The number of rounds is the length of the longest chain of matches.
    """
    winner = np.full(count, _NO_MATCH)
    dropped = np.zeros(count, bool)
    first, second = pairs.T
    while len(first):
        waits = np.zeros(count, bool)
        waits[second] = True
        dropped[second[~waits[first]]] = True
        undecided = waits[first] & ~dropped[first] & ~dropped[second]
        first, second = first[undecided], second[undecided]
    first, second = pairs.T
    decisive = dropped[second] & ~dropped[first]
    np.minimum.at(winner, second[decisive], first[decisive])
    return winner
