"""What a sample is made from, in the shape of one of the model's buckets."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from echomotion_model.data.catalogue import ENTRY_COLUMNS, Entry
from echomotion_model.data.config import LoaderConfig
from echomotion_model.data.fit import Fit, fit_to
from echomotion_model.data.sample import load_sample, read_stored_sample
from echomotion_model.generation.window import motion_window
from humove.camera import intrinsics_from_fov
from humove.errors import UserError
from humove.types import Pose2D, SmplMotion
from shards.buckets import Bucket, BucketConfig, LeftOut, bucket_of, frames_at
from shards.reader import Dataset, open_dataset

FOV_DEG = 55.0
"""Across the longer side: what the pipeline assumes of a camera that nothing is known of."""
_ANY_SIZE = 1e6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Condition:
    """T frames at the model's rate, H x W px."""

    bucket: Bucket
    cam_intrinsics: np.ndarray
    """(3, 3) float32 px of the bucket's picture"""
    caption: str = ""
    video: np.ndarray | None = None
    """(T, H, W, 3) uint8 RGB"""
    motion: SmplMotion | None = None
    shape_source: str = ""
    """Of the motion, as a sample's body_model says it."""


def from_nothing(buckets: BucketConfig) -> Condition:
    """An empty condition: the longest bucket of the first resolution, before a camera that is centred on it."""
    width, height = buckets.resolutions[0]
    return Condition(
        bucket=Bucket(width, height, buckets.max_frames), cam_intrinsics=intrinsics_from_fov(width, height, FOV_DEG)
    )


def from_sample(path: str, key: str, config: LoaderConfig) -> Condition:
    """A data set's sample, cut as the first epoch of training shows it. UserError where there is none, or it fits no
    bucket."""
    dataset = open_dataset(path)
    entry = entry_of(dataset, key, config.buckets)
    stored = read_stored_sample(dataset, entry)
    read = load_sample(dataset, entry, config, 0, stored)
    return Condition(
        bucket=entry.bucket,
        cam_intrinsics=read.cam_intrinsics,
        caption=read.caption,
        video=read.video,
        motion=motion_window(stored.motion, read.instants, read.cam_intrinsics),
        shape_source=read.shape_source,
    )


def entry_of(dataset: Dataset, key: str, buckets: BucketConfig) -> Entry:
    """Where a sample lies, and its bucket."""
    for row in dataset.index_rows(list(ENTRY_COLUMNS)):
        if row["key"] == key:
            verdict = bucket_of(row["num_frames"], row["fps"], row["width"], row["height"], buckets)
            if isinstance(verdict, LeftOut):
                raise UserError(
                    f"{dataset.path}: {key} fits no bucket of this model ({verdict}: {row['num_frames']} frames at "
                    f"{row['fps']:g} fps, {row['width']}x{row['height']}); choose another sample"
                )
            return Entry.from_row(row, verdict)
    raise UserError(f"{dataset.path} has no sample {key!r}; index.parquet lists the keys that it has")


def fitted(
    what: Path, frames: int, fps: float, width: int, height: int, pose: Callable[[], Pose2D], buckets: BucketConfig
) -> tuple[Bucket, Fit]:
    """The bucket of a recording of one's own, of any size and rate, and the way into it. UserError where it is too
    short. pose: where the person is seen, if that is known."""
    lenient = buckets.model_copy(update={"max_upscale": _ANY_SIZE, "min_fps": 1e-3})
    verdict = bucket_of(frames, fps, width, height, lenient)
    if isinstance(verdict, LeftOut):
        least = (buckets.min_frames - 1) / buckets.fps
        has = frames_at(frames, fps, buckets.fps)
        raise UserError(
            f"{what}: {has} frames at {buckets.fps} fps; this model needs {buckets.min_frames} at least: "
            f"give {least:.2g} s or more"
        )
    return verdict, fit_to(verdict, width, height, pose())
