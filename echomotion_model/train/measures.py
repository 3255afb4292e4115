"""Errors of sampled motion and video against the ground truth."""

import numpy as np


def mpjpe_mm(joints: np.ndarray, true: np.ndarray) -> float:
    """Compute the mean distance in mm of joints (..., 24, 3) m after aligning the roots."""
    apart = (joints - joints[..., :1, :]) - (true - true[..., :1, :])
    return float(1000 * np.linalg.norm(apart, axis=-1).mean())


def pa_mpjpe_mm(joints: np.ndarray, true: np.ndarray) -> float:
    """Compute the mean distance in mm of joints (..., 24, 3) m after a Procrustes alignment of each frame."""
    joints, true = (each.reshape(-1, *each.shape[-2:]).astype(np.float64) for each in (joints, true))
    middle, true_middle = joints.mean(1, keepdims=True), true.mean(1, keepdims=True)
    centred, true_centred = joints - middle, true - true_middle
    u, s, vt = np.linalg.svd(centred.transpose(0, 2, 1) @ true_centred)
    flip = np.ones_like(s)
    flip[:, -1] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * flip[:, None]) @ vt
    scale = (s * flip).sum(-1) / np.maximum((centred**2).sum((1, 2)), 1e-12)
    aligned = scale[:, None, None] * centred @ rotation + true_middle
    return float(1000 * np.linalg.norm(aligned - true, axis=-1).mean())


def psnr_db(frames: np.ndarray, true: np.ndarray) -> float:
    """Compute the peak signal-to-noise ratio of uint8 frames of the same shape."""
    error = np.square(frames.astype(np.float64) - true.astype(np.float64)).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-12)))


def compute_acceleration(joints: np.ndarray, fps: float) -> float:
    """Compute the mean acceleration in m/s^2 of joints (T, 24, 3) m, which measures jitter."""
    return float(np.linalg.norm(np.diff(joints, 2, axis=0), axis=-1).mean() * fps**2)
