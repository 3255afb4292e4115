"""The two kinds of data set that side shards are made for, under one roof."""

from collections.abc import Iterator

from echomotion_model.data.catalogue import ENTRY_COLUMNS, Entry
from humove.errors import UserError
from shards.buckets import Bucket, BucketConfig, LeftOut, bucket_of
from shards.documents import ShardRow
from shards.format import DATASET_FILE
from shards.motion_only import MotionOnlyDataset, open_motion_only
from shards.motion_only_documents import MOTION_FILE
from shards.reader import Dataset, open_dataset


def open_source(path: str) -> Dataset | MotionOnlyDataset:
    """The data set at a path or an address, of either kind. UserError where there is none."""
    try:
        return open_dataset(path)
    except UserError as error:
        if "holds no" not in str(error):
            raise
    try:
        return open_motion_only(path)
    except UserError as error:
        if "holds no" not in str(error):
            raise
        raise UserError(
            f"{path} holds neither {DATASET_FILE} nor {MOTION_FILE}; give the folder of a data set"
        ) from error


def shard_row(source: Dataset | MotionOnlyDataset, name: str) -> ShardRow:
    """A shard of the set by its name. UserError where it has none."""
    for row in source.shards():
        if row.name == name:
            return row
    raise UserError(f"{source.path} has no shard {name} (any more); run `humove latents` on it again")


def entries(dataset: Dataset, shard: str, buckets: BucketConfig) -> Iterator[Entry | LeftOut]:
    """Each sample of a shard, in its order: where it lies and its bucket, or why it trains in none."""
    for row in dataset.index_rows(list(ENTRY_COLUMNS)):
        if row["shard"] == shard:
            verdict = bucket_of(row["num_frames"], row["fps"], row["width"], row["height"], buckets)
            yield Entry.from_row(row, verdict) if isinstance(verdict, Bucket) else verdict
