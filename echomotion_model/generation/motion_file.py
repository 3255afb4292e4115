"""The beginning of a motion file of one's own, as a condition."""

import zipfile
from pathlib import Path

import numpy as np

from echomotion_model.generation.condition import Condition, fitted
from echomotion_model.generation.files import RATE
from echomotion_model.generation.window import motion_window, window_from_start
from echomotion_model.importing.camera import HEIGHT, WIDTH
from echomotion_model.importing.single import load_motion
from echomotion_model.motion.features import PROXY
from humove.camera import project
from humove.errors import UserError
from humove.skeletons import SMPL_JOINTS
from humove.types import Pose2D, SmplMotion
from shards.buckets import BucketConfig
from shards.npz import MOTION_ARRAYS, decode_motion, decode_npz

_SMALLEST_PX = 16


def from_motion_file(
    path: Path, buckets: BucketConfig, *, fps: float | None = None, body_models: Path | None = None
) -> Condition:
    """The motion that the file begins with, at the model's rate, as long as the longest bucket that it fills.

    A data set's motion.npz, or one that was generated, keeps its camera. The data set's does not say its rate, which is
    `fps`; all other files do. AMASS and BVH are put before a camera that their content draws; body_models is as in
    importing. UserError, one line, where the file is none of these, or too short, or its rate is unknown or told twice.
    """
    if _is_ours(path):
        (motion, said), source = _ours(path), ""
        # The file does not say how large the picture is: a camera looks at its middle, unless the clip was cut.
        width, height = (max(round(2 * float(each)), _SMALLEST_PX) for each in motion.cam_intrinsics[:2, 2])
    else:
        # A second more than is used: resampling reads the frame after the last instant.
        read = load_motion(path, max_seconds=buckets.max_frames / buckets.fps + 1, body_models=body_models)
        motion, said, source = read.motion, read.meta.rate, read.meta.body_model.shape_source
        width, height = WIDTH, HEIGHT
    rate = _rate(path, said, fps)
    bucket, fit = fitted(path, len(motion.transl), rate, width, height, lambda: _seen(motion), buckets)
    instants = np.minimum(window_from_start(bucket.frames, rate, buckets.fps), len(motion.transl) - 1)
    return Condition(
        bucket=bucket,
        cam_intrinsics=fit.intrinsics(motion.cam_intrinsics),
        motion=motion_window(motion, instants, fit.intrinsics(motion.cam_intrinsics)),
        shape_source=source or ("true" if motion.betas.any() else PROXY),
    )


def _rate(path: Path, said: float | None, given: float | None) -> float:
    """What the file says, or else what the user does."""
    if said is None and given is None:
        raise UserError(
            f"{path} does not say its rate; give it as --motion-fps (MOTION_FPS=): the data set has it as fps in the "
            "sample's .json and in index.parquet"
        )
    if said is not None and given is not None:
        raise UserError(f"{path} says its rate itself; leave --motion-fps out")
    return given if said is None else said


def _is_ours(path: Path) -> bool:
    if path.suffix.lower() != ".npz" or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as box:
        return {f"{name}.npy" for name in MOTION_ARRAYS} <= set(box.namelist())


def _ours(path: Path) -> tuple[SmplMotion, float | None]:
    """The motion and its rate, where the file says that."""
    try:
        motion, rate = decode_motion(path.read_bytes()), decode_npz(path.read_bytes()).get(RATE)
        if not all(np.isfinite(getattr(motion, name)).all() for name in MOTION_ARRAYS):
            raise ValueError("it holds values that are not finite")
        if rate is not None and not (rate.shape == () and 0 < rate < np.inf):
            raise ValueError(f"its {RATE} is no rate")
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: a damaged motion.npz: {' '.join(str(error).split())}") from error
    return motion, None if rate is None else float(rate)


def _seen(motion: SmplMotion) -> Pose2D:
    """Where the camera sees the joints, so that the picture is cut around the person."""
    points = project(motion.joints, motion.cam_intrinsics).astype(np.float32)
    return Pose2D(keypoints=points, scores=np.ones(points.shape[:2], np.float32), skeleton="smpl", names=SMPL_JOINTS)
