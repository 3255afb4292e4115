"""The start of a user's motion file as a condition."""

import zipfile
from pathlib import Path

import numpy as np

from echomotion_model.generation.condition import Condition, fit_to_bucket
from echomotion_model.generation.files import RATE
from echomotion_model.generation.window import compute_window_instants, cut_motion_window
from echomotion_model.importing.camera import HEIGHT, WIDTH
from echomotion_model.importing.single import load_motion
from echomotion_model.motion.features import PROXY
from humove.errors import UserError
from humove.motion.camera import project_points
from humove.motion.skeletons import SMPL_JOINTS
from humove.types import Pose2D, SmplMotion
from shards.buckets import BucketConfig
from shards.npz import MOTION_ARRAYS, decode_motion_npz, decode_npz

_SMALLEST_PX = 16


def read_motion_condition(
    path: Path, buckets: BucketConfig, *, fps: float | None = None, body_models: Path | None = None
) -> Condition:
    """Read the start of a motion file, at the model's rate, as long as the longest bucket that it fills.

    A motion.npz of a data set or of a generated sample keeps its camera. The data set's does not contain its rate,
    which is `fps`; all other files do. AMASS and BVH get a camera that depends on their content; body_models is as in
    importing. UserError, one line, if the file is none of these or too short, or its rate is missing or given twice.
    """
    if _is_motion_npz(path):
        (motion, file_fps), source = _read_motion_npz(path), ""
        # The file has no frame size: the principal point is its centre, unless the clip was cropped.
        width, height = (max(round(2 * float(each)), _SMALLEST_PX) for each in motion.cam_intrinsics[:2, 2])
    else:
        # One second more than is used: resampling reads the frame after the last instant.
        read = load_motion(path, max_seconds=buckets.max_frames / buckets.fps + 1, body_models=body_models)
        motion, file_fps, source = read.motion, read.meta.rate, read.meta.body_model.shape_source
        width, height = WIDTH, HEIGHT
    rate = _choose_rate(path, file_fps, fps)
    bucket, fit = fit_to_bucket(path, len(motion.transl), rate, width, height, lambda: _project_pose(motion), buckets)
    instants = np.minimum(compute_window_instants(bucket.frames, rate, buckets.fps), len(motion.transl) - 1)
    return Condition(
        bucket=bucket,
        cam_intrinsics=fit.map_intrinsics(motion.cam_intrinsics),
        motion=cut_motion_window(motion, instants, fit.map_intrinsics(motion.cam_intrinsics)),
        shape_source=source or ("true" if motion.betas.any() else PROXY),
    )


def _choose_rate(path: Path, stored: float | None, given: float | None) -> float:
    """Return the file's rate, or else the user's."""
    if stored is None and given is None:
        raise UserError(
            f"{path} does not contain its rate; give it as --motion-fps (MOTION_FPS=): a data set has it as fps in the "
            "sample's .json and in index.parquet"
        )
    if stored is not None and given is not None:
        raise UserError(f"{path} contains its rate; leave --motion-fps out")
    return given if stored is None else stored


def _is_motion_npz(path: Path) -> bool:
    if path.suffix.lower() != ".npz" or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as box:
        return {f"{name}.npy" for name in MOTION_ARRAYS} <= set(box.namelist())


def _read_motion_npz(path: Path) -> tuple[SmplMotion, float | None]:
    """Read a motion.npz; return the motion, and its rate if the file contains it."""
    try:
        motion, rate = decode_motion_npz(path.read_bytes()), decode_npz(path.read_bytes()).get(RATE)
        if not all(np.isfinite(getattr(motion, name)).all() for name in MOTION_ARRAYS):
            raise ValueError("it holds values that are not finite")
        if rate is not None and not (rate.shape == () and 0 < rate < np.inf):
            raise ValueError(f"its {RATE} is not a rate")
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: a damaged motion.npz: {' '.join(str(error).split())}") from error
    return motion, None if rate is None else float(rate)


def _project_pose(motion: SmplMotion) -> Pose2D:
    """Project the joints by the camera, so that the crop is around the person."""
    points = project_points(motion.joints, motion.cam_intrinsics).astype(np.float32)
    return Pose2D(keypoints=points, scores=np.ones(points.shape[:2], np.float32), skeleton="smpl", names=SMPL_JOINTS)
