"""How far to trust each frame. MediaPipe's visibility does not tell; its disagreement with its own mirror image does."""

import numpy as np

from humove.skeletons import MEDIAPIPE_33

LIMBS = tuple(
    MEDIAPIPE_33.index(f"{side}_{name}")
    for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in ("left", "right")
)  # fmt: skip
_DISAGREEMENT_M = 0.12
_RESIDUAL_M = 0.06


def disagreement(world: np.ndarray, mirror_world: np.ndarray) -> np.ndarray:
    """(N, 33) m between the two passes, each centred on the middle of its own limb landmarks."""
    a = world - world[:, LIMBS].mean(1, keepdims=True)
    b = mirror_world - mirror_world[:, LIMBS].mean(1, keepdims=True)
    return np.linalg.norm(a - b, axis=-1)


def frame_confidence(apart: np.ndarray, residual_3d: np.ndarray, residual_2d: np.ndarray) -> np.ndarray:
    """(N,) 0..1 from the passes' disagreement (N, 33) m and the fit's residuals (N, 33) m (2D: at the person's depth)."""
    limbs = list(LIMBS)
    doubt = np.sqrt((apart[:, limbs] ** 2).mean(1)) / _DISAGREEMENT_M
    doubt = doubt + np.sqrt((residual_3d[:, limbs] ** 2).mean(1)) / _DISAGREEMENT_M
    doubt = doubt + np.sqrt((residual_2d[:, limbs] ** 2).mean(1)) / _RESIDUAL_M
    return np.exp(-doubt / 3)
