"""The motion and keypoints of a window, resampled to its very instants: turned and moved in between, never dropped."""

from dataclasses import dataclass

import numpy as np

from humove.body import joints_of_pose
from humove.rotations import resample_linear, resample_rotations
from humove.types import Pose2D, SmplMotion


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MotionWindow:
    """SMPL motion at T instants, in the camera's frame: metres, axis-angle in radians, all float32 but `valid`."""

    global_orient: np.ndarray
    """(T, 3)"""
    body_pose: np.ndarray
    """(T, 23, 3)"""
    transl: np.ndarray
    """(T, 3)"""
    joints: np.ndarray
    """(T, 24, 3): forward kinematics of the rows above, so that bones keep their lengths between frames too."""
    confidence: np.ndarray
    """(T,) 0..1"""
    valid: np.ndarray
    """(T,) bool: every stored row that the instant lies between is valid."""


def motion_at(motion: SmplMotion, instants: np.ndarray) -> MotionWindow:
    """The motion at (T,) instants in frames of the clip: slerp for rotations, linear for the rest."""
    times = np.arange(len(motion.transl))
    orient = resample_rotations(motion.global_orient, times, instants)
    pose = resample_rotations(motion.body_pose, times, instants)
    transl = resample_linear(motion.transl, times, instants)
    before, after = _between(instants)
    valid = motion.valid[before] & motion.valid[after]
    confidence = resample_linear(motion.confidence, times, instants)
    return MotionWindow(
        global_orient=orient,
        body_pose=pose,
        transl=transl,
        joints=joints_of_pose(motion.rest_joints, orient, pose, transl),
        confidence=np.where(valid, confidence, np.float32(0)),
        valid=valid,
    )


def keypoints_at(pose: Pose2D, instants: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints (T, K, 2) float32 px of the stored clip and scores (T, K): a point counts as the less seen of two."""
    before, after = _between(instants)
    keypoints = resample_linear(pose.keypoints, np.arange(len(pose.keypoints)), instants)
    return keypoints, np.minimum(pose.scores[before], pose.scores[after])


def _between(instants: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The stored rows that each instant lies between; twice the same row where it lies on one."""
    return np.floor(instants).astype(np.int64), np.ceil(instants).astype(np.int64)
