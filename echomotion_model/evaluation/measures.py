"""Measures of motion that need no true motion beside it, and of motion against what a detector sees."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from humove.camera import project
from humove.skeletons import SMPL_JOINTS
from humove.types import Pose2D

Detector = Callable[[np.ndarray, int], Pose2D]
"""Keypoints of a person in pictures (T, H, W, 3) uint8 RGB at so many frames a second, in px of these pictures, a row a
frame. Points are named as COCO names them."""
_FEET = [[SMPL_JOINTS.index(f"{side}_{part}") for part in ("ankle", "foot")] for side in ("left", "right")]
_SEEN = 0.3


def foot_skate(joints: np.ndarray, fps: float) -> float:
    """Mean speed in m/s of the slower foot (middle of ankle and toes) of joints (T, 24, 3) m.

    Someone who walks or stands has a foot on the ground nearly all the time, which should not move. No floor has to
    be known for it, so it holds in a camera's frame too; who jumps or rides is above zero with no fault, hence it is
    read beside the true motion's.
    """
    feet = joints[:, _FEET].mean(2)
    speeds = np.linalg.norm(np.diff(feet, axis=0), axis=-1) * fps
    return float(speeds.min(1).mean())


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How well joints lie on what a detector sees."""

    error: float | None
    """Median distance in heights of the person; None where nothing was seen."""
    seen: float
    """Share of the points that the detector saw."""


def agreement(joints: np.ndarray, cam_intrinsics: np.ndarray, seen: Pose2D) -> Agreement:
    """Joints (T, 24, 3) m, projected by a camera (3, 3) px, against keypoints on the same T frames. Points count that
    both have by name. A person's height is the longer side of the box of all projected joints."""
    names = [name for name in SMPL_JOINTS if name in seen.names]
    places = project(joints.astype(np.float64), cam_intrinsics.astype(np.float64))
    tall = np.maximum(np.ptp(places, axis=1).max(-1), 1.0)
    mine = places[:, [SMPL_JOINTS.index(name) for name in names]]
    columns = [seen.names.index(name) for name in names]
    apart = np.linalg.norm(mine - seen.keypoints[:, columns], axis=-1) / tall[:, None]
    counted = seen.scores[:, columns] >= _SEEN
    error = float(np.median(apart[counted])) if counted.any() else None
    return Agreement(error=error, seen=float(counted.mean()) if counted.size else 0.0)
