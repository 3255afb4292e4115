"""Errors of motion against the ground truth."""

import numpy as np

# SMPL's joints without the two hands, which no landmark model detects, as usual.
_JOINTS = 22


def mpjpe(joints: np.ndarray, truth: np.ndarray) -> float:
    """Compute the mean distance over 22 joints in mm, with aligned pelvis; joints and truth are (N, 24, 3) m."""
    joints, truth = _select_joints(joints, truth)
    apart = (joints - joints[:, :1]) - (truth - truth[:, :1])
    return float(np.linalg.norm(apart, axis=-1).mean() * 1000)


def pa_mpjpe(joints: np.ndarray, truth: np.ndarray) -> float:
    """Compute mpjpe with each frame first aligned to the truth by rotation, scale and shift (Procrustes)."""
    joints, truth = _select_joints(joints, truth)
    a, b = joints - joints.mean(1, keepdims=True), truth - truth.mean(1, keepdims=True)
    u, s, vt = np.linalg.svd(np.swapaxes(a, 1, 2) @ b)
    sign = np.ones_like(s)
    sign[:, -1] = np.linalg.det(u @ vt)
    scale = (s * sign).sum(1) / np.maximum((a * a).sum((1, 2)), 1e-12)
    aligned = scale[:, None, None] * (a @ (u * sign[:, None]) @ vt)
    return float(np.linalg.norm(aligned - b, axis=-1).mean() * 1000)


def compute_acceleration_error(joints: np.ndarray, truth: np.ndarray) -> float:
    """Compute the mean error of second differences over 22 joints, in mm per frame squared (aligned pelvis)."""
    joints, truth = _select_joints(joints, truth)
    if len(joints) < 3:
        raise ValueError(f"{len(joints)} frames; acceleration needs three")
    apart = (joints - joints[:, :1]) - (truth - truth[:, :1])
    return float(np.linalg.norm(np.diff(apart, 2, axis=0), axis=-1).mean() * 1000)


def compute_errors(joints: np.ndarray, source_frames: np.ndarray, truth_joints: np.ndarray) -> dict[str, float]:
    """Compute mpjpe_mm, pa_mpjpe_mm, acceleration_mm and root_mm (mean error of the pelvis) of one sample.

    joints: (N, 24, 3) m in the camera's frame; source_frames: (N,) the source frame of each row; truth_joints:
    (M, 24, 3) m for every source frame. Raises ValueError for a source frame without truth.
    """
    if source_frames.min() < 0 or source_frames.max() >= len(truth_joints):
        raise ValueError(
            f"source frames up to {source_frames.max()}, but truth of {len(truth_joints)}: another video's"
        )
    truth = truth_joints[source_frames]
    return {
        "mpjpe_mm": mpjpe(joints, truth),
        "pa_mpjpe_mm": pa_mpjpe(joints, truth),
        "acceleration_mm": compute_acceleration_error(joints, truth),
        "root_mm": float(np.linalg.norm(joints[:, 0] - truth[:, 0], axis=-1).mean() * 1000),
    }


def _select_joints(joints: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if joints.shape != truth.shape or joints.shape[1:] != (24, 3):
        raise ValueError(f"joints {joints.shape} and truth {truth.shape}: both must have the same shape (N, 24, 3)")
    return joints[:, :_JOINTS].astype(np.float64), truth[:, :_JOINTS].astype(np.float64)
