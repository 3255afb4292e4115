"""Key tables that find clips with similar signatures, for `humove.near_duplicates.index`."""

import hashlib
import math
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np

HALF_BITS = 256
"""Bits of each half of a signature: appearance, then change."""
APPEARANCE, CHANGE = 0, HALF_BITS
"""The first bit of each half."""
_PAD = 2 * HALF_BITS
"""A position whose bit is always 0."""
_KEY_BITS = 18
"""Bits of a key; fewer where max_distance would need more than _MAX_TABLES tables."""
_MAX_TABLES = 100
_SPLIT_BITS = 12
"""Bits of a key of the second level."""
_MISSED = 0.01
"""Share of pairs at max_distance that independent keys would miss. Keys with little overlap miss fewer."""
_SPLIT_MISSED = 0.03
"""Share of pairs that the second level may miss in one table; the number of tables compensates."""
_STILL = 8
"""Minimum number of bits of change set in a clip that is keyed by them."""
_LARGE_BUCKET = 256
"""Members of a bucket above which a split is considered."""
_BLOCK = 1 << 17
"""Pairs compared at once: their words fit in a CPU's cache."""
_ROWS = 4096
"""Signatures unpacked to bits at once."""


class Buffer:
    """An array that grows at its end.

    Each growth maps twice the memory needed from the system, which commits it on the first write. The allocator would
    fragment under arrays that grow a little at a time.
    """

    def __init__(self, dtype: type) -> None:
        self.array = np.empty(0, dtype)
        self._memory = self.array

    def resize(self, size: int) -> np.ndarray:
        """Resize the array to `size` elements and return it; new elements are uninitialized."""
        if size > len(self._memory):
            reserved = mmap.mmap(-1, 2 * size * self.array.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            self._memory = np.frombuffer(reserved, self.array.dtype)
            self._memory[: len(self.array)] = self.array
        self.array = self._memory[:size]
        return self.array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Words:
    """Signatures, as four columns (N,) of 128 bits: two of appearance, two of change.

    NumPy gathers 16 bytes as one element fastest, and complex128 is the type of that size. No arithmetic uses it.
    """

    columns: tuple[np.ndarray, ...]

    @classmethod
    def from_signatures(cls, signatures: np.ndarray) -> Self:
        pairs = np.ascontiguousarray(signatures, "<u8").reshape(-1, 4, 2)
        return cls(columns=tuple(np.ascontiguousarray(pairs[:, k]).view(np.complex128).ravel() for k in range(4)))

    def __len__(self) -> int:
        return len(self.columns[0])

    def take(self, rows: np.ndarray) -> Self:
        return type(self)(columns=tuple(column.take(rows) for column in self.columns))

    def to_signatures(self) -> np.ndarray:
        return np.stack(self.columns, axis=1).view("<u8")

    def pack_keys(self, rows: np.ndarray, bits: np.ndarray) -> np.ndarray:
        """Pack the bits at (K, 16 or 32) positions into (len(rows), K) uint16 or uint32 keys."""
        width = bits.shape[1]
        keys = np.empty((len(rows), len(bits)), f"u{width // 8}")
        for start in range(0, len(rows), _ROWS):
            some = rows[start : start + _ROWS]
            loose = np.zeros((len(some), _PAD + 1), np.uint8)
            loose[:, :_PAD] = np.unpackbits(self.take(some).to_signatures().view(np.uint8), axis=1)
            packed = np.packbits(loose.take(bits.ravel(), axis=1), axis=1)
            keys[start : start + _ROWS] = packed.view(f">u{width // 8}")
        return keys

    def find_close(
        self, left: np.ndarray, other: Self, right: np.ndarray, half: int, max_distance: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Select the pairs of rows, of this and the other, that differ in at most max_distance bits of each half."""
        for columns in ((2, 3), (0, 1)) if half == CHANGE else ((0, 1), (2, 3)):
            apart = np.zeros(len(left), np.uint16)
            for column in columns:
                apart += _count_differing(self.columns[column].take(left), other.columns[column].take(right))
                near = np.flatnonzero(apart <= max_distance)
                left, right, apart = left[near], right[near], apart[near]
        return left, right


def _count_differing(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    bits = np.bitwise_count(left.view(np.uint64) ^ right.view(np.uint64))
    return bits[::2] + bits[1::2]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layout:
    """The bits that make up the keys of a group: a function of the group's half and of max_distance alone."""

    key_bits: int
    keys: np.ndarray
    """(tables, 32) positions in a signature, the first ones _PAD."""
    splits: np.ndarray
    """(tables, keys of the second level, 16) positions."""


@cache
def make_layout(half: int, max_distance: int) -> Layout:
    splits = _count_keys(_share_equal(_SPLIT_BITS, max_distance), _SPLIT_MISSED)
    found = 1 - (1 - _share_equal(_SPLIT_BITS, max_distance)) ** splits
    for key_bits in range(_KEY_BITS, 0, -1):
        tables = _count_keys(_share_equal(key_bits, max_distance) * found, _MISSED)
        if tables <= _MAX_TABLES:
            break
    keys = _draw_positions(np.arange(half, half + HALF_BITS), tables, key_bits, 32, f"keys {half} {max_distance}")
    drawn = []
    for table in range(tables):
        pool = np.setdiff1d(np.arange(APPEARANCE, APPEARANCE + HALF_BITS), keys[table])
        drawn.append(_draw_positions(pool, splits, _SPLIT_BITS, 16, f"splits {half} {max_distance} {table}"))
    return Layout(key_bits=key_bits, keys=keys, splits=np.stack(drawn))


def _share_equal(bits: int, max_distance: int) -> float:
    """Return the probability that `bits` positions of a half are equal if max_distance random ones differ."""
    return math.prod((HALF_BITS - max_distance - k) / (HALF_BITS - k) for k in range(bits))


def _count_keys(share: float, missed: float) -> int:
    """Return the number of keys, each shared with probability `share`, that miss at most `missed` of the pairs."""
    return 1 if share >= 1 - missed else math.ceil(math.log(missed) / math.log1p(-share))


def _draw_positions(pool: np.ndarray, count: int, bits: int, width: int, name: str) -> np.ndarray:
    """Draw (count, width) positions: `bits` of the pool for each key, after padding. Keys share few positions.

    A hash function orders the pool, so the draw is always the same.
    """
    drawn: list[np.ndarray] = []
    each = len(pool) // bits
    for turn in range(-(-count // each)):
        octets = hashlib.shake_256(f"humove {name} {turn}".encode()).digest(8 * len(pool))
        ranked = pool[np.argsort(np.frombuffer(octets, "<u8"), kind="stable")]
        drawn.append(ranked[: each * bits].reshape(each, bits))
    positions = np.full((count, width), _PAD)
    positions[:, width - bits :] = np.concatenate(drawn)[:count]
    return positions


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Members:
    """The clips of a chunk in a group, and their keys."""

    rows: np.ndarray
    """(M,) of the chunk, ascending."""
    keys: np.ndarray
    """(M, tables) uint32."""

    def keep(self, kept: np.ndarray) -> Self:
        """Select the rows where `kept`, (N,) bool over the chunk, is True."""
        some = kept[self.rows]
        return type(self)(rows=self.rows[some], keys=self.keys[some])

    def sort(self, table: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (M,) rows in order of their key, then of the row, and (M,) int64 keys."""
        both = np.sort(self.keys[:, table].astype(np.uint64) << np.uint64(32) | self.rows.astype(np.uint64))
        return (both & np.uint64(0xFFFFFFFF)).astype(np.int64), (both >> np.uint64(32)).astype(np.int64)


class KeyGroup:
    """Tables over one half of the signatures: for each, entries in order of their key, then of their index."""

    def __init__(self, half: int, max_distance: int) -> None:
        self.layout = make_layout(half, max_distance)
        self._half = half
        self._max_still = _STILL + max_distance
        self._tables = [Buffer(np.uint32) for _ in self.layout.keys]
        self._starts = np.zeros((len(self._tables), (1 << self.layout.key_bits) + 1), np.uint32)

    def __len__(self) -> int:
        return len(self._tables[0].array)

    def get_order(self, table: int) -> np.ndarray:
        """Return (len(self),) uint32: entries in order of their key."""
        return self._tables[table].array

    def find_buckets(self, table: int, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the start and end of each key's entries in the order."""
        starts = self._starts[table]
        return starts[keys].astype(np.int64), starts[keys + 1].astype(np.int64)

    def select(self, clips: Words) -> Members:
        """Select the clips of this group: those that change, or those that hardly change.

        The numbers of bits set of two clips within max_distance differ by at most that.
        """
        bits = np.bitwise_count(clips.to_signatures()[:, 4:]).sum(axis=1, dtype=np.uint16)
        rows = np.flatnonzero(bits >= _STILL if self._half == CHANGE else bits <= self._max_still)
        return Members(rows=rows, keys=clips.pack_keys(rows, self.layout.keys))

    def insert(self, members: Members, ids: np.ndarray) -> None:
        """Merge the members into each table; their indices ids[row] are above all present ones."""
        if not len(members.rows):
            return
        total = len(self) + len(members.rows)
        merged = np.empty(total, np.uint32)
        for table, buffer in enumerate(self._tables):
            rows, keys = members.sort(table)
            places = self.find_buckets(table, keys)[1] + np.arange(len(rows))
            old = np.ones(total, bool)
            old[places] = False
            merged[old] = buffer.array
            merged[places] = ids[rows]
            buffer.resize(total)[:] = merged
            steps = np.diff(keys + 1, prepend=0, append=self._starts.shape[1])
            self._starts[table] += np.repeat(np.arange(len(rows) + 1, dtype=np.uint32), steps)


@dataclass(frozen=True, slots=True, eq=False)
class BucketJoin:
    """The comparison of clips with members of their buckets in one table."""

    layout: Layout
    table: int
    clips: Words
    rows: np.ndarray
    """(Q,) of the clips, in order of their key."""
    first: np.ndarray
    """(Q,) the start of the clip's bucket in `order`."""
    end: np.ndarray
    """(Q,) the end of the members that it is compared with."""
    members: Words
    order: np.ndarray
    """(M,) rows of the members, in order of their key."""
    max_distance: int

    def run(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield matching pairs in blocks: rows of the clips, rows of the members."""
        some = np.flatnonzero(self.end > self.first)
        if not len(some):
            return
        rows, first, end = self.rows[some], self.first[some], self.end[some]
        heads = np.flatnonzero(np.r_[True, first[1:] != first[:-1]])
        counts = np.diff(np.r_[heads, len(first)])
        sizes = end[heads + counts - 1] - first[heads]
        # A split reads all members once per key; it pays off where many clips meet many members.
        large = (sizes > _LARGE_BUCKET) & (counts * sizes > 4 * self.layout.splits.shape[1] * (counts + sizes))
        plain = np.repeat(~large, counts)
        for left, places in _enumerate_pairs(first[plain], end[plain]):
            left, right = self._find_close(rows[plain][left], self.order[places].astype(np.int64))
            shared = self._share_split(left, right)
            if shared.any():
                yield left[shared], right[shared]
        if large.any():
            bucket = np.repeat(np.cumsum(large) - 1, counts)[~plain]
            yield from self._run_large_buckets(rows[~plain], end[~plain], bucket, first[heads[large]], sizes[large])

    def _run_large_buckets(
        self, rows: np.ndarray, end: np.ndarray, bucket: np.ndarray, first: np.ndarray, sizes: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        splits = self.layout.splits[self.table]
        places = np.repeat(first - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())
        members = self.order[places].astype(np.int64)
        base = np.repeat(np.arange(len(sizes)), sizes).astype(np.uint64) << np.uint64(16)
        member_keys, clip_keys = self.members.pack_keys(members, splits), self.clips.pack_keys(rows, splits)
        for k in range(len(splits)):
            keys = base | member_keys[:, k]
            ranked = np.argsort(keys)
            keys = keys[ranked]
            queries = bucket.astype(np.uint64) << np.uint64(16) | clip_keys[:, k]
            # Binary searches in ascending order are many times faster: they reuse cached memory.
            query_order = np.argsort(queries)
            start = np.searchsorted(keys, queries[query_order])
            stop = np.searchsorted(keys, queries[query_order], side="right")
            for left, right in _enumerate_pairs(start, stop):
                left, right = query_order[left], ranked[right]
                before = places[right] < end[left]
                left, right = self._find_close(rows[left[before]], members[right[before]])
                if len(left):
                    yield left, right

    def _find_close(self, left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        half = int(self.layout.keys[self.table, -1]) // HALF_BITS * HALF_BITS
        return self.clips.find_close(left, self.members, right, half, self.max_distance)

    def _share_split(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Return (P,) bool: whether each pair shares a key of the second level."""
        splits = self.layout.splits[self.table]
        return (self.clips.pack_keys(left, splits) == self.members.pack_keys(right, splits)).any(axis=1)


def _enumerate_pairs(first: np.ndarray, end: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield each k with each place from first[k] to end[k], in blocks of about _BLOCK pairs, or of one k."""
    counts = end - first
    total = np.cumsum(counts)
    start = 0
    while start < len(counts):
        done = total[start - 1] if start else 0
        stop = max(int(np.searchsorted(total, done + _BLOCK, side="right")), start + 1)
        some = counts[start:stop]
        left = np.repeat(np.arange(start, stop), some)
        places = np.arange(done, total[stop - 1]) + np.repeat(first[start:stop] - total[start:stop] + some, some)
        yield left, places
        start = stop
