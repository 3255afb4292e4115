"""Training samples: read from a shard, cut to a time window and resized to a bucket."""

import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import av
import numpy as np

from echomotion_model.data.catalogue import IndexEntry
from echomotion_model.data.config import LoaderConfig
from echomotion_model.data.fit import compute_resize_crop
from echomotion_model.data.motion import resample_keypoints, resample_motion
from echomotion_model.data.video import decode_window
from echomotion_model.data.window import draw_window, find_nearest_frames
from humove.errors import EXIT_DEFECT, UserError
from humove.types import Sample
from shards.format import MEMBERS, SHARDS_FOLDER, WORLD_MEMBER
from shards.reader import Dataset, decode_sample

_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, av.FFmpegError, EOFError, ValueError, KeyError)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingSample:
    """T frames at the training rate; float32 unless stated. Row i of every array is at the instant of video frame i."""

    key: str
    caption: str
    shape_source: str
    """"proxy" if betas are not the true shape, and only rest_joints has the bones' lengths."""
    keypoint_names: tuple[str, ...]
    instants: np.ndarray
    """(T,) float64, in frames of the stored clip."""
    video: np.ndarray
    """(T, H, W, 3) uint8 RGB: the stored frame nearest to each instant."""
    betas: np.ndarray
    """(10,)"""
    rest_joints: np.ndarray
    """(24, 3) m"""
    global_orient: np.ndarray
    """(T, 3) rad"""
    body_pose: np.ndarray
    """(T, 23, 3) rad"""
    transl: np.ndarray
    """(T, 3) m"""
    joints: np.ndarray
    """(T, 24, 3) m"""
    confidence: np.ndarray
    """(T,)"""
    valid: np.ndarray
    """(T,) bool"""
    cam_intrinsics: np.ndarray
    """(3, 3) px of `video`"""
    keypoints: np.ndarray
    """(T, K, 2) px of `video`"""
    keypoint_scores: np.ndarray
    """(T, K)"""


def load_sample(
    dataset: Dataset, entry: IndexEntry, config: LoaderConfig, epoch: int, stored: Sample | None = None
) -> TrainingSample:
    """Load the sample's window of an epoch, from its shard unless `stored` is given.

    UserError, one line, if the shard does not match the index.
    """
    with _convert_errors(dataset, entry):
        return _cut_window(_read_sample(dataset, entry) if stored is None else stored, entry, config, epoch)


def read_stored_sample(dataset: Dataset, entry: IndexEntry) -> Sample:
    """Read the whole sample from its shard. UserError as of `load_sample`."""
    with _convert_errors(dataset, entry):
        return _read_sample(dataset, entry)


@contextmanager
def _convert_errors(dataset: Dataset, entry: IndexEntry) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        what = f"is damaged at sample {entry.key} ({type(error).__name__}: {error}); restore it from a copy"
        raise _make_error(dataset, entry, what) from error
    except FileNotFoundError as error:
        raise _make_error(dataset, entry, "is missing; restore it from a copy") from error
    except OSError as error:
        raise _make_error(dataset, entry, f"could not be read ({error}); fix the storage and resume") from error


def _make_error(dataset: Dataset, entry: IndexEntry, what: str) -> UserError:
    return UserError(f"{dataset.path}: {SHARDS_FOLDER}/{entry.shard} {' '.join(what.split())}", EXIT_DEFECT)


def _read_sample(dataset: Dataset, entry: IndexEntry) -> Sample:
    key, members = dataset.read_sample(entry.shard, entry.mp4_offset, entry.start, entry.size)
    if key != entry.key or members.keys() - {WORLD_MEMBER} != set(MEMBERS):
        raise ValueError(f"found {key} with {', '.join(members) or 'no members'}")
    return decode_sample(key, "", members)


def _cut_window(sample: Sample, entry: IndexEntry, config: LoaderConfig, epoch: int) -> TrainingSample:
    motion, pose = sample.motion, sample.pose2d
    if not len(motion.transl) == len(pose.scores) == entry.num_frames:
        raise ValueError(f"{len(motion.transl)} rows of motion, {entry.num_frames} frames in the index")
    instants = draw_window(
        entry.key, entry.num_frames, entry.fps, entry.bucket.frames, config.buckets.fps, config.seed, epoch
    )
    crop = compute_resize_crop(entry.bucket, entry.width, entry.height, pose)
    window = resample_motion(motion, instants)
    keypoints, scores = resample_keypoints(pose, instants)
    return TrainingSample(
        key=entry.key,
        caption=sample.meta["captions"]["full"],
        shape_source=sample.meta["body_model"]["shape_source"],
        keypoint_names=pose.names,
        instants=instants,
        video=decode_window(sample.mp4, find_nearest_frames(instants), crop),
        betas=motion.betas,
        rest_joints=motion.rest_joints,
        global_orient=window.global_orient,
        body_pose=window.body_pose,
        transl=window.transl,
        joints=window.joints,
        confidence=window.confidence,
        valid=window.valid,
        cam_intrinsics=crop.map_intrinsics(motion.cam_intrinsics),
        keypoints=crop.map_points(keypoints),
        keypoint_scores=scores,
    )
