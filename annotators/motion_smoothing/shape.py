"""One body shape for a clip, from one per frame."""

import numpy as np

from humove.motion.body import sum_bone_lengths

_ROUNDS = 3
_OUTLIER = 3.0
"""Weights fall with distance, to 0 at this many times the median distance."""


def average_shape(
    betas: np.ndarray, rest_joints: np.ndarray, valid: np.ndarray, confidence: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Average betas (N, 10) and rest joints (N, 24, 3) m, weighted by confidence (N,), to (10,), (24, 3) float32.

    The mean over valid rows excludes outliers. Betas and joints have the same weights: in SMPL joints are linear in
    betas, so the joints are those of the mean betas, and the body's file is not needed.
    """
    betas, joints = betas[valid].astype(np.float64), rest_joints[valid].astype(np.float64)
    trust = confidence[valid] + 1e-3
    shape = np.concatenate([betas, joints.reshape(len(joints), -1)], 1)
    middle, weights = np.median(betas, 0), trust
    for _ in range(_ROUNDS):
        away = np.linalg.norm(betas - middle, axis=1)
        reach = _OUTLIER * max(float(np.median(away)), 1e-6)
        weights = trust * np.maximum(1 - (away / reach) ** 2, 0) ** 2
        middle = weights @ betas / weights.sum()
    mean = (weights @ shape / weights.sum()).astype(np.float32)
    return mean[:10], mean[10:].reshape(24, 3)


def compute_relative_size(rest_joints: np.ndarray, each: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Compute the size (N,) of the body `rest_joints` (24, 3) over that of each row (N, 24, 3); 1 on invalid rows."""
    own = sum_bone_lengths(rest_joints)
    return np.array([own / sum_bone_lengths(row) if ok else 1.0 for row, ok in zip(each, valid, strict=True)])
