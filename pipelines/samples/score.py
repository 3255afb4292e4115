"""How far motion is from its truth."""

import numpy as np

# SMPL's joints without the hands: the two that no landmark model sees are left out, as is the custom.
_JOINTS = 22


def mpjpe(joints: np.ndarray, truth: np.ndarray) -> float:
    """Mean distance over 22 joints in mm, pelvis on pelvis; joints and truth are (N, 24, 3) m."""
    joints, truth = _pair(joints, truth)
    apart = (joints - joints[:, :1]) - (truth - truth[:, :1])
    return float(np.linalg.norm(apart, axis=-1).mean() * 1000)


def pa_mpjpe(joints: np.ndarray, truth: np.ndarray) -> float:
    """As mpjpe, each frame first laid on the truth by the best rotation, scale and shift (Procrustes)."""
    joints, truth = _pair(joints, truth)
    a, b = joints - joints.mean(1, keepdims=True), truth - truth.mean(1, keepdims=True)
    u, s, vt = np.linalg.svd(np.swapaxes(a, 1, 2) @ b)
    sign = np.ones_like(s)
    sign[:, -1] = np.linalg.det(u @ vt)
    scale = (s * sign).sum(1) / np.maximum((a * a).sum((1, 2)), 1e-12)
    laid = scale[:, None, None] * (a @ (u * sign[:, None]) @ vt)
    return float(np.linalg.norm(laid - b, axis=-1).mean() * 1000)


def acceleration_error(joints: np.ndarray, truth: np.ndarray) -> float:
    """Mean difference of the second differences over 22 joints, in mm per frame squared (pelvis on pelvis)."""
    joints, truth = _pair(joints, truth)
    if len(joints) < 3:
        raise ValueError(f"{len(joints)} frames: acceleration needs three")
    apart = (joints - joints[:, :1]) - (truth - truth[:, :1])
    return float(np.linalg.norm(np.diff(apart, 2, axis=0), axis=-1).mean() * 1000)


def score(joints: np.ndarray, source_frames: np.ndarray, truth_joints: np.ndarray) -> dict[str, float]:
    """mpjpe_mm, pa_mpjpe_mm, acceleration_mm and root_mm (mean error of the pelvis's place) of one sample.

    joints: (N, 24, 3) m in the camera's frame; source_frames: (N,) which frame of the source each row shows;
    truth_joints: (M, 24, 3) m for every source frame. Raises ValueError for a source frame that has no truth.
    """
    if source_frames.min() < 0 or source_frames.max() >= len(truth_joints):
        raise ValueError(f"source frames up to {source_frames.max()}, truth for {len(truth_joints)}: not this video's")
    truth = truth_joints[source_frames]
    return {
        "mpjpe_mm": mpjpe(joints, truth),
        "pa_mpjpe_mm": pa_mpjpe(joints, truth),
        "acceleration_mm": acceleration_error(joints, truth),
        "root_mm": float(np.linalg.norm(joints[:, 0] - truth[:, 0], axis=-1).mean() * 1000),
    }


def _pair(joints: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if joints.shape != truth.shape or joints.shape[1:] != (24, 3):
        raise ValueError(f"joints {joints.shape} and truth {truth.shape}: wanted the same (N, 24, 3)")
    return joints[:, :_JOINTS].astype(np.float64), truth[:, :_JOINTS].astype(np.float64)
