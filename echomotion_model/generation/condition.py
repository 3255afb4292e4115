"""The condition of a sample, in the shape of one of the model's buckets."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from echomotion_model.data.catalogue import ENTRY_COLUMNS, IndexEntry
from echomotion_model.data.config import LoaderConfig
from echomotion_model.data.fit import ResizeCrop, compute_resize_crop
from echomotion_model.data.sample import load_sample, read_stored_sample
from echomotion_model.generation.window import cut_motion_window
from humove.errors import UserError
from humove.motion.camera import intrinsics_from_fov
from humove.types import Pose2D, SmplMotion
from shards.buckets import Bucket, BucketConfig, LeftOut, choose_bucket, count_frames_at
from shards.reader import Dataset, open_dataset

FOV_DEG = 55.0
"""Field of view across the longer side that the pipeline assumes for unknown cameras."""
_ANY_SIZE = 1e6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Condition:
    """A condition: T frames at the model's rate, H x W px."""

    bucket: Bucket
    cam_intrinsics: np.ndarray
    """(3, 3) float32 px, of the bucket's frames"""
    caption: str = ""
    video: np.ndarray | None = None
    """(T, H, W, 3) uint8 RGB"""
    motion: SmplMotion | None = None
    shape_source: str = ""
    """The motion's, as in a sample's body_model."""


def make_empty_condition(buckets: BucketConfig) -> Condition:
    """Return an empty condition: the longest bucket of the first resolution, with a centred camera."""
    width, height = buckets.resolutions[0]
    return Condition(
        bucket=Bucket(width, height, buckets.max_frames), cam_intrinsics=intrinsics_from_fov(width, height, FOV_DEG)
    )


def read_sample_condition(path: str, key: str, config: LoaderConfig) -> Condition:
    """Read a data set's sample, cut as in the first epoch of training. UserError if it is missing or fits no bucket."""
    dataset = open_dataset(path)
    entry = find_entry(dataset, key, config.buckets)
    stored = read_stored_sample(dataset, entry)
    read = load_sample(dataset, entry, config, 0, stored)
    return Condition(
        bucket=entry.bucket,
        cam_intrinsics=read.cam_intrinsics,
        caption=read.caption,
        video=read.video,
        motion=cut_motion_window(stored.motion, read.instants, read.cam_intrinsics),
        shape_source=read.shape_source,
    )


def find_entry(dataset: Dataset, key: str, buckets: BucketConfig) -> IndexEntry:
    """Find a sample of a data set and its bucket."""
    for row in dataset.iterate_index_rows(list(ENTRY_COLUMNS)):
        if row["key"] == key:
            verdict = choose_bucket(row["num_frames"], row["fps"], row["width"], row["height"], buckets)
            if isinstance(verdict, LeftOut):
                raise UserError(
                    f"{dataset.path}: {key} fits no bucket of this model ({verdict}: {row['num_frames']} frames at "
                    f"{row['fps']:g} fps, {row['width']}x{row['height']}); choose another sample"
                )
            return IndexEntry.from_row(row, verdict)
    raise UserError(f"{dataset.path} has no sample {key!r}; index.parquet lists the keys that it has")


def fit_to_bucket(
    path: Path, frames: int, fps: float, width: int, height: int, pose: Callable[[], Pose2D], buckets: BucketConfig
) -> tuple[Bucket, ResizeCrop]:
    """Return the bucket of a user's recording of any size and rate, and the fit to it. UserError if it is too short.
    pose: the person's keypoints, if known."""
    lenient = buckets.model_copy(update={"max_upscale": _ANY_SIZE, "min_fps": 1e-3})
    verdict = choose_bucket(frames, fps, width, height, lenient)
    if isinstance(verdict, LeftOut):
        least = (buckets.min_frames - 1) / buckets.fps
        has = count_frames_at(frames, fps, buckets.fps)
        raise UserError(
            f"{path}: {has} frames at {buckets.fps} fps; this model needs at least {buckets.min_frames}: "
            f"give {least:.2g} s or more"
        )
    return verdict, compute_resize_crop(verdict, width, height, pose())
