"""Share of the body that the keypoints show: the score of the whole-person threshold."""

import numpy as np

from humove.types import Pose2D

LIMBS = tuple(
    f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in ("left", "right")
)
"""The points of a whole body. Eyes and ears are hidden from behind, hands and feet are small."""


def compute_visible_share(pose: Pose2D, min_score: float) -> float:
    """Compute the share, 0..1, over all frames of the limbs' twelve points with a score of at least `min_score`.

    A point that the skeleton lacks counts as hidden.
    """
    rows = [pose.names.index(name) for name in LIMBS if name in pose.names]
    visible = (pose.scores[:, rows] >= min_score) & (pose.scores[:, rows] > 0)
    return float(np.count_nonzero(visible)) / (len(LIMBS) * len(pose.scores))
