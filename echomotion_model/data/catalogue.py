"""The index of a split's training samples by bucket, in memory: a few dozen bytes per sample."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from humove.errors import EXIT_NO_SAMPLES, UserError
from shards.buckets import Bucket, BucketConfig, BucketCounts, LeftOut, choose_bucket
from shards.format import SHARDS_FOLDER
from shards.reader import Dataset

_SHAPE = ("num_frames", "fps", "width", "height")
_POSITION = ("key", "shard", "mp4_offset")
ENTRY_COLUMNS = (*_POSITION, "offset", "bytes", *_SHAPE)
"""Columns of the data set's index that an IndexEntry needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    """A sample's position in its shard, size in px and frames, and bucket."""

    key: str
    shard: str
    mp4_offset: int
    start: int | None
    """Offset of the sample's first header in the shard; None, as is `size`, in sets of older builds."""
    size: int | None
    num_frames: int
    fps: float
    width: int
    height: int
    bucket: Bucket

    @classmethod
    def from_row(cls, row: Mapping[str, Any], bucket: Bucket) -> Self:
        """Make the entry of an index row with ENTRY_COLUMNS, of which older sets lack some."""
        own = {name: row[name] for name in (*_POSITION, *_SHAPE)}
        return cls(start=row.get("offset"), size=row.get("bytes"), bucket=bucket, **own)


class SampleIndex:
    """The samples of one split. Rows are positions in the split, in the order of the data set's index.

    Raises UserError if the split is unknown, none of its samples fits a bucket, or a shard is missing.
    """

    def __init__(self, dataset: Dataset, split: str, config: BucketConfig) -> None:
        if split not in dataset.doc.splits:
            raise UserError(f"{dataset.path} has no split {split!r}; it has {', '.join(dataset.doc.splits)}")
        self.path, self.split, self.config = dataset.path, split, config
        _check_shards(dataset, split)
        table = dataset.read_table("index", ["split", *ENTRY_COLUMNS])
        # Arrow's buffers, not Python objects: forked workers share their memory.
        self._table = table.filter([name == split for name in table["split"].to_pylist()]).combine_chunks()
        rows: dict[Bucket, list[int]] = {}
        left_out: Counter[LeftOut] = Counter()
        verdicts: dict[tuple, Bucket | LeftOut] = {}
        for row, shape in enumerate(zip(*(self._table[name].to_pylist() for name in _SHAPE), strict=True)):
            if shape not in verdicts:
                verdicts[shape] = choose_bucket(*shape, config)
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
        """Samples by bucket, and those left out by reason, as `count_buckets` of the data set's index."""
        return BucketCounts(
            used=len(self),
            buckets={bucket.name: len(rows) for bucket, rows in self.members.items()},
            left_out=self.left_out,
        )

    @cached_property
    def identity(self) -> str:
        """A hash of the samples that train, their positions in shards and their buckets."""
        digest = hashlib.sha256(self.config.model_dump_json().encode())
        for bucket, rows in self.members.items():
            digest.update(f"\n{bucket.name}".encode())
            for row in self._table.select(list(_POSITION)).take(rows).to_pylist():
                digest.update(f"\n{row['key']} {row['shard']} {row['mp4_offset']}".encode())
        return digest.hexdigest()

    def get_entry(self, row: int, bucket: Bucket) -> IndexEntry:
        """Get the entry of a row of `bucket`."""
        return IndexEntry.from_row(self._table.slice(row, 1).to_pylist()[0], bucket)


def _check_shards(dataset: Dataset, split: str) -> None:
    """Raise UserError if a shard is missing, before training starts; skipped if the store cannot list files."""
    present = dataset.list_names(SHARDS_FOLDER)
    missing = [row.name for row in dataset.list_shards(split) if row.name not in present]
    if present and missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UserError(f"{dataset.path}: {SHARDS_FOLDER}/{missing[0]}{more} is missing; restore it from a copy")
