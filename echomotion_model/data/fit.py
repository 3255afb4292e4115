"""Resize and crop frames to a bucket, with the person in view."""

from dataclasses import dataclass

import numpy as np

from humove.motion.camera import crop_intrinsics
from humove.types import Pose2D
from shards.buckets import Bucket

_MIN_SCORE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ResizeCrop:
    """A resize of width x height px to scaled_width x scaled_height, and a crop of that to
    [left, left + out_width) x [top, top + out_height)."""

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

    def map_points(self, xy: np.ndarray) -> np.ndarray:
        """Map points (..., 2) px of the stored frame to (..., 2) float32 px of the crop."""
        return (xy * self._scale - (self.left, self.top)).astype(np.float32)

    def map_intrinsics(self, matrix: np.ndarray) -> np.ndarray:
        """Map the camera matrix (3, 3) of the stored frame to (3, 3) float32 of the crop."""
        low = np.array([self.left, self.top])
        high = low + (self.out_width, self.out_height)
        return crop_intrinsics(matrix, [*(low / self._scale), *(high / self._scale)], self.out_width, self.out_height)


def compute_resize_crop(bucket: Bucket, width: int, height: int, pose: Pose2D) -> ResizeCrop:
    """Compute the resize and crop of a clip of width x height px. The crop is centred on the person.

    It depends on the whole clip's keypoints, so it is the same for all time windows.
    """
    scale = max(bucket.width / width, bucket.height / height)
    scaled = max(bucket.width, round(width * scale)), max(bucket.height, round(height * scale))
    visible = pose.keypoints[pose.scores >= _MIN_SCORE].reshape(-1, 2)
    spans = zip(visible.min(0), visible.max(0), strict=True) if len(visible) else ((0, width), (0, height))
    (x0, x1), (y0, y1) = spans
    left = _center_span((x0 + x1) / 2 * scaled[0] / width, bucket.width, scaled[0])
    top = _center_span((y0 + y1) / 2 * scaled[1] / height, bucket.height, scaled[1])
    return ResizeCrop(
        width=width, height=height, scaled_width=scaled[0], scaled_height=scaled[1],
        left=left, top=top, out_width=bucket.width, out_height=bucket.height,
    )  # fmt: skip


def _center_span(middle: float, size: int, limit: int) -> int:
    """Get the start of a span of `size`, centred on `middle` as far as [0, limit] allows."""
    return int(min(max(0, round(float(middle) - size / 2)), limit - size))
