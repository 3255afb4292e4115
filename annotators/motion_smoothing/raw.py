"""Output of a motion model that handles each frame independently."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RawMotion:
    """SMPL parameters of N frames, camera frame, each frame with its own body shape.

    Rows of frames that do not show the person may hold anything, NaN included.
    """

    betas: np.ndarray
    """(N, 10)."""
    rest_joints: np.ndarray
    """(N, 24, 3) m: the joints in T-pose of the body with that row's betas."""
    global_orient: np.ndarray
    """(N, 3) axis-angle, radians."""
    body_pose: np.ndarray
    """(N, 23, 3) axis-angle, radians."""
    transl: np.ndarray
    """(N, 3) m; as in SMPL the pelvis is at rest_joints[:, 0] + transl."""
    confidence: np.ndarray
    """(N,) 0..1: the model's confidence in each frame; ones if it gives none."""

    def __post_init__(self) -> None:
        n = len(self.betas)
        shapes = {
            "betas": (n, 10), "rest_joints": (n, 24, 3), "global_orient": (n, 3), "body_pose": (n, 23, 3),
            "transl": (n, 3), "confidence": (n,),
        }  # fmt: skip
        for name, shape in shapes.items():
            if np.shape(getattr(self, name)) != shape:
                raise ValueError(f"{name} has shape {np.shape(getattr(self, name))}, wanted {shape}")
