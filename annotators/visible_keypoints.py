"""How much of the body the keypoints show: the measure behind the bar of a whole person."""

import numpy as np

from humove.types import Pose2D

LIMBS = tuple(
    f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in ("left", "right")
)
"""The points that make a body whole. Eyes and ears hide on a back view, hands and feet are small."""


def visible_share(pose: Pose2D, min_score: float) -> float:
    """Over all frames the share, 0..1, of the limbs' twelve points with a score of at least `min_score`.

    A point that the skeleton does not have counts as hidden.
    """
    rows = [pose.names.index(name) for name in LIMBS if name in pose.names]
    seen = (pose.scores[:, rows] >= min_score) & (pose.scores[:, rows] > 0)
    return float(np.count_nonzero(seen)) / (len(LIMBS) * len(pose.scores))
