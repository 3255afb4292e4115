"""One shape for a clip, from one a frame."""

import numpy as np

from humove.body import bone_length_sum

_ROUNDS = 3
_OUTLIER = 3.0
"""A row counts less and less, and not at all from so many times the median distance on."""


def one_shape(
    betas: np.ndarray, rest_joints: np.ndarray, valid: np.ndarray, confidence: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(betas (10,), rest_joints (24, 3) m) float32 of a clip, from (N, 10), (N, 24, 3) and each row's confidence (N,).

    A mean over valid rows that leaves out rows far from the rest. Betas and joints are averaged with the same weights:
    in SMPL joints are linear in betas, so the joints are those of the mean betas without the body's file at hand.
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


def relative_size(rest_joints: np.ndarray, each: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """(N,) size of the body `rest_joints` (24, 3) over that of each row's own (N, 24, 3); 1 where a row is invalid."""
    own = bone_length_sum(rest_joints)
    return np.array([own / bone_length_sum(row) if ok else 1.0 for row, ok in zip(each, valid, strict=True)])
