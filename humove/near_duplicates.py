"""Search for clips that show the same moment twice: re-encoded, rescaled, or uploaded again.

A signature (`humove.video.signature`) has 256 bits of look and 256 bits of change. Two clips match where both halves
differ in at most `max_distance` bits. No pass compares all pairs: each clip has some dozens of keys, each of a few
sampled bits, and clips that share a key are compared. Their number follows from `max_distance`, so that of the pairs
at that distance in both halves, with the differing bits at random places, more than 99 % share a key.

- Keys are of the bits of change, since one scene gives many clips that look alike. Clips that hardly change at all are
  keyed by their look instead. The two groups overlap, so that each pair within `max_distance` is in one of them.
- A second level of keys splits crowded buckets by more bits of look. A pair counts only where it shares a key of the
  second level too, whether the bucket is crowded or not. So whether two clips match is a function of their two
  signatures alone: not of other clips, of the batches, or of which bucket is crowded.
"""

from typing import Literal

import numpy as np
from pydantic import Field

from humove.config import Strict
from humove.signature_tables import CHANGE, LOOK, BucketJoin, Buffer, KeyGroup, Members, Words

MAX_DISTANCE = 50
"""Beyond it, keys that 99 % of the pairs share are so short that the search nears a comparison of all pairs."""
_CHUNK = 1 << 16
"""Clips settled at once."""
_MAX_PAIRS = 1 << 21
"""Pairs held at once; a chunk with more is settled in halves."""
_NOBODY = np.iinfo(np.int64).max


class DedupConfig(Strict):
    """Near duplicates, settled once a batch."""

    near: Literal["on", "off"] = Field("on", description="off: keep clips that show the same moment twice")
    max_distance: int = Field(
        30,
        ge=0,
        le=MAX_DISTANCE,
        description="of 256 bits of look, and of 256 of change, how many may differ in a duplicate",
    )


class NearDuplicateIndex:
    """The clips that stay, and the search for those that resemble them.

    Takes 64 bytes a clip and 4 for each table: some 250 bytes at the default max_distance, 440 at the most.
    """

    def __init__(self, max_distance: int) -> None:
        if not 0 <= max_distance <= MAX_DISTANCE:
            raise ValueError(f"max_distance is {max_distance}; it must be from 0 to {MAX_DISTANCE}")
        self._max_distance = max_distance
        self._columns = [Buffer(np.complex128) for _ in range(4)]
        self._entries = Words.from_signatures(np.zeros((0, 8), np.uint64))
        self._groups = [KeyGroup(half, max_distance) for half in (CHANGE, LOOK)]

    def __len__(self) -> int:
        """How many clips stayed or were added."""
        return len(self._entries)

    def settle(self, signatures: np.ndarray) -> np.ndarray:
        """Decide which clips of a batch stay, and add those.

        `signatures` is (N, 8) uint64 in order of precedence: of two alike the earlier one stays, and earlier batches
        win over later ones. A clip goes only for one that stays. Returns (N,) int64: -1 where the clip stays, else
        the index, among all that stayed or were added, of the first one that it matches.
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
        """Add clips of earlier batches: they stay, whatever they match."""
        signatures = _check_signatures(signatures)
        for start in range(0, len(signatures), _CHUNK):
            chunk = Words.from_signatures(signatures[start : start + _CHUNK])
            # A clip equal to an earlier one needs no keys: the earlier one is always the first match.
            firsts, _ = _group_equal(chunk)
            distinct = chunk.take(firsts)
            for group in self._groups:
                group.insert(group.select(distinct), len(self._entries) + firsts)
            self._append(chunk)

    def _settle_chunk(self, signatures: np.ndarray) -> np.ndarray | None:
        """As `settle`; None, and nothing is added, where too many pairs match."""
        chunk = Words.from_signatures(signatures)
        firsts, group_of = _group_equal(chunk)
        distinct = chunk.take(firsts)
        members = [group.select(distinct) for group in self._groups]
        earlier = self._match_entries(distinct, members)
        pairs = self._match_each_other(distinct, members, earlier == _NOBODY)
        if pairs is None:
            return None
        winner = _choose_winners(len(distinct), pairs)
        stays = (earlier == _NOBODY) & (winner == _NOBODY)
        ids = len(self._entries) + np.cumsum(stays) - 1
        for group, some in zip(self._groups, members, strict=True):
            group.insert(some.keep(stays), ids)
        self._append(distinct.take(np.flatnonzero(stays)))
        inside = np.flatnonzero(winner != _NOBODY)
        earlier[inside] = ids[winner[inside]]
        earlier[stays] = ids[stays]
        found = earlier[group_of]
        found[firsts[stays]] = -1
        return found

    def _match_entries(self, clips: Words, members: list[Members]) -> np.ndarray:
        """(N,) int64: for each clip the first entry that it matches, or _NOBODY."""
        best = np.full(len(clips), _NOBODY)
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
        """(P, 2) int64 pairs i < j of the `free` clips that match; None where there are too many."""
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

    def _append(self, clips: Words) -> None:
        size = len(self._entries)
        # Lets go of the old columns, so that only one at a time is held twice where they move.
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
    """The first row of each group of equal signatures, ascending; and for each row, which group it is of."""
    signatures = clips.to_signatures()
    mixed = np.zeros(len(clips), np.uint64)
    for word in signatures.T:
        mixed = (mixed ^ word) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    _, first, inverse = np.unique(mixed, return_index=True, return_inverse=True)
    first = first[inverse]
    # Two different signatures with one hash: the later one is a group of its own.
    odd = (signatures[first] != signatures).any(axis=1)
    first[odd] = np.flatnonzero(odd)
    firsts, group_of = np.unique(first, return_inverse=True)
    return firsts, group_of


def _choose_winners(count: int, pairs: np.ndarray) -> np.ndarray:
    """(count,) int64: for each clip the first one it matches of those that stay, or _NOBODY where it stays itself.

    Each round, a clip with no undecided match before it stays, and what matches it goes. Rounds are as many as the
    longest chain of matches has links.
    """
    winner = np.full(count, _NOBODY)
    gone = np.zeros(count, bool)
    first, second = pairs.T
    while len(first):
        waits = np.zeros(count, bool)
        waits[second] = True
        gone[second[~waits[first]]] = True
        undecided = waits[first] & ~gone[first] & ~gone[second]
        first, second = first[undecided], second[undecided]
    first, second = pairs.T
    decisive = gone[second] & ~gone[first]
    np.minimum.at(winner, second[decisive], first[decisive])
    return winner
