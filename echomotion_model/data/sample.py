"""One training sample: read from its shard, cut to its window and brought to its bucket."""

import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import av
import numpy as np

from echomotion_model.data.catalogue import Entry
from echomotion_model.data.config import LoaderConfig
from echomotion_model.data.fit import fit_to
from echomotion_model.data.motion import keypoints_at, motion_at
from echomotion_model.data.video import decode_window
from echomotion_model.data.window import draw_window, nearest_frames
from humove.errors import EXIT_DEFECT, UserError
from humove.types import Sample
from shards.format import MEMBERS, SHARDS_FOLDER, WORLD_MEMBER
from shards.reader import Dataset, decode_sample

_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, av.FFmpegError, EOFError, ValueError, KeyError)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingSample:
    """T frames at the training rate; float32 unless said. Row i of every array is the instant of video frame i."""

    key: str
    caption: str
    shape_source: str
    """"proxy" where betas are no true shape, and the bones' lengths are in rest_joints alone."""
    keypoint_names: tuple[str, ...]
    instants: np.ndarray
    """(T,) float64, in frames of the stored clip."""
    video: np.ndarray
    """(T, H, W, 3) uint8 RGB: of each instant the stored frame that is nearest in time."""
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
    dataset: Dataset, entry: Entry, config: LoaderConfig, epoch: int, stored: Sample | None = None
) -> TrainingSample:
    """The sample as this epoch shows it, read from its shard unless `stored` is given.

    UserError, one line, where the shard does not hold what the index says.
    """
    with _damage_explained(dataset, entry):
        return _cut(_read(dataset, entry) if stored is None else stored, entry, config, epoch)


def read_stored_sample(dataset: Dataset, entry: Entry) -> Sample:
    """The sample as it lies in its shard. UserError as of `load_sample`."""
    with _damage_explained(dataset, entry):
        return _read(dataset, entry)


@contextmanager
def _damage_explained(dataset: Dataset, entry: Entry) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        what = f"is damaged at sample {entry.key} ({type(error).__name__}: {error}); restore it from a copy"
        raise _told(dataset, entry, what) from error
    except FileNotFoundError as error:
        raise _told(dataset, entry, "is missing; restore it from a copy") from error
    except OSError as error:
        raise _told(dataset, entry, f"could not be read ({error}); mend the storage and resume") from error


def _told(dataset: Dataset, entry: Entry, what: str) -> UserError:
    return UserError(f"{dataset.path}: {SHARDS_FOLDER}/{entry.shard} {' '.join(what.split())}", EXIT_DEFECT)


def _read(dataset: Dataset, entry: Entry) -> Sample:
    key, members = dataset.read_sample(entry.shard, entry.mp4_offset, entry.start, entry.size)
    if key != entry.key or members.keys() - {WORLD_MEMBER} != set(MEMBERS):
        raise ValueError(f"there is {key} with {', '.join(members) or 'no members'}")
    return decode_sample(key, "", members)


def _cut(sample: Sample, entry: Entry, config: LoaderConfig, epoch: int) -> TrainingSample:
    motion, pose = sample.motion, sample.pose2d
    if not len(motion.transl) == len(pose.scores) == entry.num_frames:
        raise ValueError(f"{len(motion.transl)} rows of motion, {entry.num_frames} frames in the index")
    instants = draw_window(
        entry.key, entry.num_frames, entry.fps, entry.bucket.frames, config.buckets.fps, config.seed, epoch
    )
    fit = fit_to(entry.bucket, entry.width, entry.height, pose)
    moved = motion_at(motion, instants)
    keypoints, scores = keypoints_at(pose, instants)
    return TrainingSample(
        key=entry.key,
        caption=sample.meta["captions"]["full"],
        shape_source=sample.meta["body_model"]["shape_source"],
        keypoint_names=pose.names,
        instants=instants,
        video=decode_window(sample.mp4, nearest_frames(instants), fit),
        betas=motion.betas,
        rest_joints=motion.rest_joints,
        global_orient=moved.global_orient,
        body_pose=moved.body_pose,
        transl=moved.transl,
        joints=moved.joints,
        confidence=moved.confidence,
        valid=moved.valid,
        cam_intrinsics=fit.intrinsics(motion.cam_intrinsics),
        keypoints=fit.points(keypoints),
        keypoint_scores=scores,
    )
