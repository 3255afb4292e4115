"""The two kinds of data set that can be encoded."""

from collections.abc import Iterator

from echomotion_model.data.catalogue import ENTRY_COLUMNS, IndexEntry
from humove.errors import UserError
from shards.buckets import Bucket, BucketConfig, LeftOut, choose_bucket
from shards.format import DATASET_FILE
from shards.motion_only.dataset import MotionOnlyDataset, open_motion_only
from shards.motion_only.schemas import MOTION_FILE
from shards.reader import Dataset, open_dataset
from shards.schemas import ShardRow


def open_source(path: str) -> Dataset | MotionOnlyDataset:
    """Open the data set of either kind at a path or URL. UserError if there is none."""
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


def find_shard_row(source: Dataset | MotionOnlyDataset, name: str) -> ShardRow:
    """Find a shard of the set by its name. UserError if there is none."""
    for row in source.list_shards():
        if row.name == name:
            return row
    raise UserError(f"{source.path} has no shard {name} any more; run `humove latents` on it again")


def iterate_entries(dataset: Dataset, shard: str, buckets: BucketConfig) -> Iterator[IndexEntry | LeftOut]:
    """Iterate over the samples of a shard, in order: the index entry, or why it fits no bucket."""
    for row in dataset.iterate_index_rows(list(ENTRY_COLUMNS)):
        if row["shard"] == shard:
            verdict = choose_bucket(row["num_frames"], row["fps"], row["width"], row["height"], buckets)
            yield IndexEntry.from_row(row, verdict) if isinstance(verdict, Bucket) else verdict
