"""How a stored picture is brought to a bucket's size: scaled to cover it, then cut, with the person kept in view."""

from dataclasses import dataclass

import numpy as np

from humove.camera import crop_intrinsics
from humove.types import Pose2D
from shards.buckets import Bucket

_SEEN = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A picture of width x height px is scaled to scaled_width x scaled_height; of that, the window
    [left, left + out_width) x [top, top + out_height) is kept."""

    width: int
    height: int
    scaled_width: int
    scaled_height: int
    left: int
    top: int
    out_width: int
    out_height: int

    @property
    def _scale(self) -> np.ndarray:
        return np.array([self.scaled_width / self.width, self.scaled_height / self.height])

    def points(self, xy: np.ndarray) -> np.ndarray:
        """(..., 2) px of the stored picture -> (..., 2) float32 px of the kept window."""
        return (xy * self._scale - (self.left, self.top)).astype(np.float32)

    def intrinsics(self, matrix: np.ndarray) -> np.ndarray:
        """The camera matrix (3, 3) of the stored picture -> (3, 3) float32 of the kept window."""
        low = np.array([self.left, self.top])
        high = low + (self.out_width, self.out_height)
        return crop_intrinsics(matrix, [*(low / self._scale), *(high / self._scale)], self.out_width, self.out_height)


def fit_to(bucket: Bucket, width: int, height: int, pose: Pose2D) -> Fit:
    """The fit of a clip of width x height px. Along the side that is cut the window is centred on the person.

    It depends on the whole clip's keypoints, not on a window in time: one clip has one fit.
    """
    scale = max(bucket.width / width, bucket.height / height)
    scaled = max(bucket.width, round(width * scale)), max(bucket.height, round(height * scale))
    seen = pose.keypoints[pose.scores >= _SEEN].reshape(-1, 2)
    spans = zip(seen.min(0), seen.max(0), strict=True) if len(seen) else ((0, width), (0, height))
    (x0, x1), (y0, y1) = spans
    left = _place((x0 + x1) / 2 * scaled[0] / width, bucket.width, scaled[0])
    top = _place((y0 + y1) / 2 * scaled[1] / height, bucket.height, scaled[1])
    return Fit(
        width=width, height=height, scaled_width=scaled[0], scaled_height=scaled[1],
        left=left, top=top, out_width=bucket.width, out_height=bucket.height,
    )  # fmt: skip


def _place(middle: float, size: int, limit: int) -> int:
    """The start of a span of `size` around `middle`, inside [0, limit]."""
    return int(min(max(0, round(float(middle) - size / 2)), limit - size))
