"""The SMPL body that a clip's landmarks tell of: betas, where the user has SMPL's file."""

import numpy as np

from annotators.landmark_fit.markers import Markers
from annotators.landmark_fit.size import bone_lengths
from annotators.smpl.body import SmplBody

_LIMBS_SPREAD = 0.035
"""Standard deviation of people's limb lengths, at the same stature, as a share of the length."""
_STATURE_M = 0.01
"""How exactly the assumed stature is kept."""
_ROUNDS = 8
_STEP = 1e-3


def fitted_betas(
    points: np.ndarray, body: SmplBody, markers: Markers, stature_m: float, limb_freedom: float
) -> np.ndarray:
    """Betas (10,) float32 of the body of that stature whose limbs are nearest to those between the landmarks.

    points: (N, 33, 3) m, those of a person `stature_m` tall; markers: where landmarks sit on a body of that size. The
    most likely betas: these vary by one from person to person, and a measured limb counts as `limb_freedom` says: 0
    leaves it to the stature, 1 takes it as it was measured.
    """
    seen = np.log(np.median(bone_lengths(points, markers.index), 0))
    trusted = limb_freedom / max(1 - limb_freedom, 1e-3)
    sureness = np.sqrt(trusted) / _LIMBS_SPREAD

    def off(betas: np.ndarray) -> np.ndarray:
        own = np.log(bone_lengths(markers.at_rest(body.rest_joints(betas)), markers.index))
        return np.concatenate([sureness * (own - seen), [(body.stature(betas) - stature_m) / _STATURE_M], betas])

    betas = np.zeros(10)
    for _ in range(_ROUNDS):  # Gauss-Newton: the terms are all but linear
        here = off(betas)
        slopes = np.stack([(off(betas + _STEP * way) - here) / _STEP for way in np.eye(10)], 1)
        betas = betas - np.linalg.lstsq(slopes, here, rcond=None)[0]
    return betas.astype(np.float32)
