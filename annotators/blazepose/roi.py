"""The rotated square crop of the landmark model."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

_MARGIN = 1.25
"""Margin around the body's circle that the landmark model was trained with (pose_detection_to_roi)."""


@dataclass(frozen=True, slots=True)
class Roi:
    """A square of `size` px around (x, y) px, rotated by `rotation` rad (clockwise on the screen)."""

    x: float
    y: float
    size: float
    rotation: float

    def map_to_frame(self, points: np.ndarray) -> np.ndarray:
        """Map points (..., 2) of the square, 0..1 along each side, to px of the frame."""
        return self.rotate_vectors(points - 0.5) * self.size + np.array([self.x, self.y])

    def rotate_vectors(self, vectors: np.ndarray) -> np.ndarray:
        """Rotate vectors (..., 2) from the square's axes to the frame's."""
        c, s = math.cos(self.rotation), math.sin(self.rotation)
        return np.stack([c * vectors[..., 0] - s * vectors[..., 1], s * vectors[..., 0] + c * vectors[..., 1]], axis=-1)


def make_roi_from_points(centre: np.ndarray, rim: np.ndarray) -> Roi | None:
    """Make the square around the circle with this centre and a point on its rim, which lies above the head.

    Both are (2,) px. None if the circle has no size. Source: AlignmentPointsRectsCalculator.
    """
    dx, dy = float(rim[0] - centre[0]), float(rim[1] - centre[1])
    radius = math.hypot(dx, dy)
    if not math.isfinite(radius) or radius < 1:
        return None
    angle = math.pi / 2 - math.atan2(-dy, dx)
    angle -= 2 * math.pi * math.floor((angle + math.pi) / (2 * math.pi))
    return Roi(float(centre[0]), float(centre[1]), 2 * radius * _MARGIN, angle)


def crop_roi(rgb: np.ndarray, roi: Roi, side: int, border: int = cv2.BORDER_REPLICATE) -> np.ndarray:
    """Crop the square as a (side, side, 3) uint8 image, bilinear.

    Pixel (i, j) of the result is the frame sampled at the square's point (i, j) / side, as in MediaPipe's converter,
    so that the models get the same input as there. `map_crop_to_frame` is its exact inverse.
    """
    corners = roi.map_to_frame(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    matrix = np.stack([(corners[1] - corners[0]) / side, (corners[2] - corners[0]) / side, corners[0]], axis=1)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(rgb, matrix, (side, side), flags=flags, borderMode=border)


def map_crop_to_frame(points: np.ndarray, roi: Roi, side: int) -> np.ndarray:
    """Map points (..., 2) of the crop, 0..1 with pixel centres at (i + 0.5) / side, to px of the frame.

    MediaPipe omits both halves, so its points lie half a pixel of the crop to the right and below, less half a pixel
    of the frame. Mirrored passes show that the models count from pixel centres: with the halves they agree with the
    plain ones, without them they are off by 1.25 pixels of the crop.
    """
    return roi.map_to_frame(points - 0.5 / side) + 0.5
