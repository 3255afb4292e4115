"""The rotated square that the landmark model looks at."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

_MARGIN = 1.25
"""The margin around the body's circle that the landmark model was trained with (pose_detection_to_roi)."""


@dataclass(frozen=True, slots=True)
class Roi:
    """A square of `size` px about (x, y) px, turned by `rotation` rad (clockwise on the screen)."""

    x: float
    y: float
    size: float
    rotation: float

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """(..., 2) in the square, 0..1 along each side, to px of the picture."""
        return self.turn(points - 0.5) * self.size + np.array([self.x, self.y])

    def turn(self, vectors: np.ndarray) -> np.ndarray:
        """(..., 2) vectors of the square's axes to the picture's."""
        c, s = math.cos(self.rotation), math.sin(self.rotation)
        return np.stack([c * vectors[..., 0] - s * vectors[..., 1], s * vectors[..., 0] + c * vectors[..., 1]], axis=-1)


def roi_from_points(centre: np.ndarray, rim: np.ndarray) -> Roi | None:
    """The square about the circle with this centre and a point on its rim, which lies above the head.

    Both are (2,) px. None where the circle has no size. Source: AlignmentPointsRectsCalculator.
    """
    dx, dy = float(rim[0] - centre[0]), float(rim[1] - centre[1])
    radius = math.hypot(dx, dy)
    if not math.isfinite(radius) or radius < 1:
        return None
    angle = math.pi / 2 - math.atan2(-dy, dx)
    angle -= 2 * math.pi * math.floor((angle + math.pi) / (2 * math.pi))
    return Roi(float(centre[0]), float(centre[1]), 2 * radius * _MARGIN, angle)


def warp(rgb: np.ndarray, roi: Roi, side: int, border: int = cv2.BORDER_REPLICATE) -> np.ndarray:
    """The square as a (side, side, 3) uint8 picture, bilinear.

    Pixel (i, j) of the result is the picture sampled at the square's point (i, j) / side, as MediaPipe's converter
    does it, so that the models see just what they see there. `unwarp` is its exact inverse.
    """
    corners = roi.to_picture(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    matrix = np.stack([(corners[1] - corners[0]) / side, (corners[2] - corners[0]) / side, corners[0]], axis=1)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(rgb, matrix, (side, side), flags=flags, borderMode=border)


def unwarp(points: np.ndarray, roi: Roi, side: int) -> np.ndarray:
    """(..., 2) points of the warped picture, 0..1 with pixel centres at (i + 0.5) / side, to px of the picture.

    MediaPipe leaves out both halves, so its points lie half a pixel of the crop to the right and below, less half a
    pixel of the picture. That the models count from pixel centres shows in mirrored passes: with the halves in they
    agree with the straight ones, without they are off by 1.25 pixels of the crop.
    """
    return roi.to_picture(points - 0.5 / side) + 0.5
