"""The SMPL body shape of a clip's landmarks: betas, for users with SMPL's file."""

import numpy as np

from annotators.landmark_fit.markers import Markers
from annotators.landmark_fit.size import measure_bone_lengths
from annotators.smpl.body import SmplBody

_LIMB_STD = 0.035
"""Standard deviation of people's limb lengths, at the same stature, as a share of the length."""
_STATURE_M = 0.01
"""Tolerance of the assumed stature."""
_ROUNDS = 8
_STEP = 1e-3


def fit_betas(
    points: np.ndarray, body: SmplBody, markers: Markers, stature_m: float, limb_freedom: float
) -> np.ndarray:
    """Fit betas (10,) float32 of a body of that stature whose limbs are nearest to those between the landmarks.

    points: (N, 33, 3) m, of a person `stature_m` tall; markers: the landmarks' positions on a body of that size. Betas
    have a standard deviation of one, and `limb_freedom` weights the measured limbs: 0 ignores them, 1 takes them as
    they were measured.
    """
    observed = np.log(np.median(measure_bone_lengths(points, markers.index), 0))
    trust = limb_freedom / max(1 - limb_freedom, 1e-3)
    weight = np.sqrt(trust) / _LIMB_STD

    def compute_residuals(betas: np.ndarray) -> np.ndarray:
        own = np.log(measure_bone_lengths(markers.place_at_rest(body.compute_rest_joints(betas)), markers.index))
        return np.concatenate(
            [weight * (own - observed), [(body.compute_stature(betas) - stature_m) / _STATURE_M], betas]
        )

    betas = np.zeros(10)
    for _ in range(_ROUNDS):  # Gauss-Newton: the terms are almost linear
        here = compute_residuals(betas)
        slopes = np.stack([(compute_residuals(betas + _STEP * way) - here) / _STEP for way in np.eye(10)], 1)
        betas = betas - np.linalg.lstsq(slopes, here, rcond=None)[0]
    return betas.astype(np.float32)
