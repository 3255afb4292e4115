"""Keypoints of one frame by name, and the person's box around them."""

import numpy as np

from humove.types import Pose2D


class FramePoints:
    """The keypoints of one frame by name; None for a point that is missing or below the least score."""

    def __init__(self, pose: Pose2D, row: int, min_score: float) -> None:
        self._names = pose.names
        self._xy = pose.keypoints[row]
        self._scores = pose.scores[row]
        self._min_score = min_score

    def get(self, name: str) -> np.ndarray | None:
        """Return (2,) float px, or None."""
        if name not in self._names:
            return None
        k = self._names.index(name)
        return self._xy[k].astype(np.float64) if self._scores[k] >= self._min_score else None

    def get_all(self, *names: str) -> list[np.ndarray] | None:
        """Return the points, or None if one of them is missing."""
        points = [self.get(name) for name in names]
        return None if any(p is None for p in points) else points

    def compute_box(self, pad: float) -> tuple[float, float, float, float] | None:
        """Compute x0, y0, x1, y1 px around the confident points, widened on each side by `pad` of its larger side."""
        confident = self._xy[self._scores >= self._min_score]
        if len(confident) < 4:
            return None
        (x0, y0), (x1, y1) = confident.min(0), confident.max(0)
        margin = pad * max(x1 - x0, y1 - y0)
        return float(x0 - margin), float(y0 - margin), float(x1 + margin), float(y1 + margin)


def select_rows(pose: Pose2D, min_score: float, good: np.ndarray, count: int) -> list[int]:
    """Select up to `count` rows, spread evenly over those that are `good` (T,) bool and show the trunk."""
    names = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
    columns = [pose.names.index(name) for name in names if name in pose.names]
    rows = np.flatnonzero(good & (pose.scores[:, columns].min(1) >= min_score))
    if len(rows) == 0:
        return []
    picks = np.linspace(0, len(rows) - 1, min(count, len(rows)) + 2)[1:-1] if len(rows) > count else range(len(rows))
    return sorted({int(rows[int(round(p))]) for p in picks})
