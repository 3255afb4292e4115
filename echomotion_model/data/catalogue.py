"""Which samples of a split train, by bucket: read from the index once, a few dozen bytes a sample."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from humove.errors import EXIT_NO_SAMPLES, UserError
from shards.buckets import Bucket, BucketConfig, BucketCounts, LeftOut, bucket_of
from shards.format import SHARDS_FOLDER
from shards.reader import Dataset

_SHAPE = ("num_frames", "fps", "width", "height")
_PLACE = ("key", "shard", "mp4_offset")
ENTRY_COLUMNS = (*_PLACE, "offset", "bytes", *_SHAPE)
"""Columns of the index that an Entry is made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One sample as the index has it: where it lies, its size in px and frames, and its bucket."""

    key: str
    shard: str
    mp4_offset: int
    start: int | None
    """Where the sample's first header lies in the shard; None, as is `size`, in sets of older builds."""
    size: int | None
    num_frames: int
    fps: float
    width: int
    height: int
    bucket: Bucket

    @classmethod
    def from_row(cls, row: Mapping[str, Any], bucket: Bucket) -> Self:
        """The sample of a row of the index with ENTRY_COLUMNS, as far as the index has them."""
        own = {name: row[name] for name in (*_PLACE, *_SHAPE)}
        return cls(start=row.get("offset"), size=row.get("bytes"), bucket=bucket, **own)


class Catalogue:
    """The samples of one split. Rows are positions in the split, in the index's order.

    Raises UserError where the split is unknown, where nothing of it fits a bucket, and where a shard is not there.
    """

    def __init__(self, dataset: Dataset, split: str, config: BucketConfig) -> None:
        if split not in dataset.doc.splits:
            raise UserError(f"{dataset.path} has no split {split!r}; it has {', '.join(dataset.doc.splits)}")
        self.path, self.split, self.config = dataset.path, split, config
        _check_shards(dataset, split)
        table = dataset.table("index", ["split", *ENTRY_COLUMNS])
        # Arrow's buffers, not Python objects: forked workers share them for as long as they live.
        self._table = table.filter([name == split for name in table["split"].to_pylist()]).combine_chunks()
        rows: dict[Bucket, list[int]] = {}
        left_out: Counter[LeftOut] = Counter()
        verdicts: dict[tuple, Bucket | LeftOut] = {}
        for row, shape in enumerate(zip(*(self._table[name].to_pylist() for name in _SHAPE), strict=True)):
            if shape not in verdicts:
                verdicts[shape] = bucket_of(*shape, config)
            if isinstance(verdict := verdicts[shape], Bucket):
                rows.setdefault(verdict, []).append(row)
            else:
                left_out[verdict] += 1
        self.members = {bucket: np.array(rows[bucket], np.int64) for bucket in sorted(rows)}
        self.left_out = {str(reason): number for reason, number in sorted(left_out.items())}
        if not rows:
            why = ", ".join(f"{reason}: {number}" for reason, number in self.left_out.items()) or "it is empty"
            raise UserError(
                f"{self.path}: no sample of split {split!r} fits a bucket ({why}); set other buckets.resolutions, "
                "min_frames or max_upscale",
                EXIT_NO_SAMPLES,
            )

    def __len__(self) -> int:
        return sum(map(len, self.members.values()))

    @property
    def counts(self) -> BucketCounts:
        """Samples by bucket, and those left out by reason: what `count_buckets` says of the index."""
        return BucketCounts(
            used=len(self),
            buckets={bucket.name: len(rows) for bucket, rows in self.members.items()},
            left_out=self.left_out,
        )

    @cached_property
    def identity(self) -> str:
        """A hash of which samples train, where they lie and in which bucket each is."""
        digest = hashlib.sha256(self.config.model_dump_json().encode())
        for bucket, rows in self.members.items():
            digest.update(f"\n{bucket.name}".encode())
            for place in self._table.select(list(_PLACE)).take(rows).to_pylist():
                digest.update(f"\n{place['key']} {place['shard']} {place['mp4_offset']}".encode())
        return digest.hexdigest()

    def entry(self, row: int, bucket: Bucket) -> Entry:
        """The sample of a row that lies in `bucket`."""
        return Entry.from_row(self._table.slice(row, 1).to_pylist()[0], bucket)


def _check_shards(dataset: Dataset, split: str) -> None:
    """A shard that is gone is told of at the start, not hours later; a store that cannot list files is not asked."""
    there = dataset.names(SHARDS_FOLDER)
    gone = [row.name for row in dataset.shards(split) if row.name not in there]
    if there and gone:
        more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
        raise UserError(f"{dataset.path}: {SHARDS_FOLDER}/{gone[0]}{more} is missing; restore it from a copy")
