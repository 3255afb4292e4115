"""Confidence of each frame, from the disagreement of the two passes: MediaPipe's visibility is no measure of it."""

from dataclasses import dataclass

import numpy as np

from humove.motion.skeletons import MEDIAPIPE_33

LIMBS = tuple(
    MEDIAPIPE_33.index(f"{side}_{name}")
    for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in ("left", "right")
)  # fmt: skip
_FACTOR_MM, _SPREAD_POWER, _APART_POWER = 8400, 1.0, 0.5
_UNSEEN_MM = 200
_SCALE_MM = 150


def measure_disagreement(world: np.ndarray, mirror_world: np.ndarray) -> np.ndarray:
    """Measure the distance (N, 33) m between the two passes, each centred on the mean of its limb landmarks."""
    a = world - world[:, LIMBS].mean(1, keepdims=True)
    b = mirror_world - mirror_world[:, LIMBS].mean(1, keepdims=True)
    return np.linalg.norm(a - b, axis=-1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FrameUncertainty:
    """Uncertainty measures of a clip's landmarks, each (N, 33)."""

    spread: np.ndarray
    """m: the lifter's predicted error."""
    apart: np.ndarray
    """m: see `measure_disagreement`."""
    scores: np.ndarray
    """0..1: visibility, 0 outside the frame."""


def compute_frame_confidence(uncertainty: FrameUncertainty, residual: np.ndarray) -> np.ndarray:
    """Compute confidence (N,) 0..1: exp(-e / 150 mm), e being the expected error of the frame's limb joints.

    e grows with the lifter's spread, with the passes' disagreement, with the fit's distance from the image landmarks
    (`residual` (N, 33) m, at the person's depth) and with the share of invisible limb landmarks. The powers were
    fitted on images of bodies in known motion.
    """
    limbs = list(LIMBS)
    unsure = uncertainty.spread[:, limbs].mean(1)
    apart = np.sqrt((uncertainty.apart[:, limbs] ** 2).mean(1))
    expected_mm = _FACTOR_MM * (unsure + 0.01) ** _SPREAD_POWER * (apart + 0.01) ** _APART_POWER
    expected_mm = expected_mm + 1000 * np.sqrt((residual[:, limbs] ** 2).mean(1))
    unseen = (uncertainty.scores[:, limbs] < 0.1).mean(1)
    return np.exp(-(expected_mm + _UNSEEN_MM * unseen) / _SCALE_MM)
