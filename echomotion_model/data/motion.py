"""Resampling of motion and keypoints to a window's instants."""

from dataclasses import dataclass

import numpy as np

from humove.motion.body import compute_joints
from humove.motion.rotations import resample_linear, resample_rotations
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
    """(T, 24, 3): forward kinematics of the rows above, so that bones keep their lengths between frames."""
    confidence: np.ndarray
    """(T,) 0..1"""
    valid: np.ndarray
    """(T,) bool: whether the stored rows before and after the instant are valid."""


def resample_motion(motion: SmplMotion, instants: np.ndarray) -> MotionWindow:
    """Resample motion at (T,) instants in frames of the clip: slerp for rotations, linear for the rest."""
    times = np.arange(len(motion.transl))
    orient = resample_rotations(motion.global_orient, times, instants)
    pose = resample_rotations(motion.body_pose, times, instants)
    transl = resample_linear(motion.transl, times, instants)
    before, after = _find_neighbours(instants)
    valid = motion.valid[before] & motion.valid[after]
    confidence = resample_linear(motion.confidence, times, instants)
    return MotionWindow(
        global_orient=orient,
        body_pose=pose,
        transl=transl,
        joints=compute_joints(motion.rest_joints, orient, pose, transl),
        confidence=np.where(valid, confidence, np.float32(0)),
        valid=valid,
    )


def resample_keypoints(pose: Pose2D, instants: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Resample keypoints to (T, K, 2) float32 px of the stored clip; scores (T, K) are the lower of both neighbours."""
    before, after = _find_neighbours(instants)
    keypoints = resample_linear(pose.keypoints, np.arange(len(pose.keypoints)), instants)
    return keypoints, np.minimum(pose.scores[before], pose.scores[after])


def _find_neighbours(instants: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the stored rows before and after each instant; the same row twice for an instant on a row."""
    return np.floor(instants).astype(np.int64), np.ceil(instants).astype(np.int64)
