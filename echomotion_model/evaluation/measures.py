"""Measures of motion without ground truth, and of motion against detected keypoints."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from humove.motion.camera import project_points
from humove.motion.skeletons import SMPL_JOINTS
from humove.types import Pose2D

Detector = Callable[[np.ndarray, int], Pose2D]
"""Detects a person's keypoints in frames (T, H, W, 3) uint8 RGB at a rate in frames per second: px, one row per frame.
Points have COCO's names."""
_FEET = [[SMPL_JOINTS.index(f"{side}_{part}") for part in ("ankle", "foot")] for side in ("left", "right")]
_MIN_SCORE = 0.3


def compute_foot_skate(joints: np.ndarray, fps: float) -> float:
    """Compute the mean speed in m/s of the slower foot (middle of ankle and toes) of joints (T, 24, 3) m.

    A person who walks or stands has a static foot on the ground nearly all the time. The measure needs no floor, so it
    works in a camera's frame; jumping or riding is above zero without a fault, so compare it with the true motion's.
    """
    feet = joints[:, _FEET].mean(2)
    speeds = np.linalg.norm(np.diff(feet, axis=0), axis=-1) * fps
    return float(speeds.min(1).mean())


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """The agreement of joints with detected keypoints."""

    error: float | None
    """Median distance in heights of the person; None if nothing was detected."""
    seen: float
    """Share of the points that were detected."""


def measure_agreement(joints: np.ndarray, cam_intrinsics: np.ndarray, detected: Pose2D) -> Agreement:
    """Compare joints (T, 24, 3) m, projected by a camera (3, 3) px, with keypoints on the same T frames, by the points
    whose names both have. A person's height is the longer side of the box of all projected joints."""
    names = [name for name in SMPL_JOINTS if name in detected.names]
    points = project_points(joints.astype(np.float64), cam_intrinsics.astype(np.float64))
    heights = np.maximum(np.ptp(points, axis=1).max(-1), 1.0)
    projected = points[:, [SMPL_JOINTS.index(name) for name in names]]
    columns = [detected.names.index(name) for name in names]
    errors = np.linalg.norm(projected - detected.keypoints[:, columns], axis=-1) / heights[:, None]
    counted = detected.scores[:, columns] >= _MIN_SCORE
    error = float(np.median(errors[counted])) if counted.any() else None
    return Agreement(error=error, seen=float(counted.mean()) if counted.size else 0.0)
