"""The pinhole camera: OpenCV axes (x right, y down, z forward), pixels from the image's top-left corner."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np

if TYPE_CHECKING:
    import torch

ArrayLike = TypeVar("ArrayLike", np.ndarray, "torch.Tensor")


_FULL_FRAME_DIAGONAL_MM = math.hypot(36.0, 24.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FocalSource:
    """Where a focal length comes from, with a text for people."""

    source: Literal["metadata", "annotator", "default"]
    detail: str


def intrinsics_from_35mm(width: int, height: int, focal_35mm: float) -> np.ndarray:
    """Compute the camera matrix (3, 3) float32 in px of a lens of `focal_35mm` mm, 35 mm equivalent.

    The angle of view across the diagonal is that of a 36 x 24 mm image, as defined for other aspect ratios.
    """
    if focal_35mm <= 0:
        raise ValueError(f"focal length of {focal_35mm} mm: give a number above 0")
    focal = focal_35mm / _FULL_FRAME_DIAGONAL_MM * math.hypot(width, height)
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]], dtype=np.float32)


def intrinsics_from_fov(width: int, height: int, fov_deg: float) -> np.ndarray:
    """Compute the camera matrix (3, 3) float32 in px, with square pixels and a centred principal point.

    `fov_deg` is the angle of view across the longer side, in degrees, so a rotated image keeps its focal length.
    """
    if not 0 < fov_deg < 180:
        raise ValueError(f"field of view of {fov_deg} degrees: give one between 0 and 180")
    focal = 0.5 * max(width, height) / math.tan(math.radians(fov_deg) / 2)
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]], dtype=np.float32)


def project_points(points: ArrayLike, intrinsics: ArrayLike, near: float = 1e-3) -> ArrayLike:
    """Project points (..., 3) m in the camera frame to (..., 2) px; numpy or torch, as given.

    Depth under `near` m counts as `near`: points behind the camera give finite, far-off pixels.
    """
    z = points[..., 2:].clip(min=near)
    xy = points[..., :2] / z
    focal = intrinsics[(0, 1), (0, 1)]
    return xy * focal + intrinsics[:2, 2]


def crop_intrinsics(intrinsics: np.ndarray, crop_xyxy: Sequence[float], out_width: int, out_height: int) -> np.ndarray:
    """Compute the camera matrix after cropping to `crop_xyxy` (px) and resizing to the output size."""
    x0, y0, x1, y1 = crop_xyxy
    if x1 <= x0 or y1 <= y0:
        raise ValueError(f"crop {tuple(crop_xyxy)} is empty: expected x0 < x1 and y0 < y1")
    sx, sy = out_width / (x1 - x0), out_height / (y1 - y0)
    moved = np.array([[sx, 0, -sx * x0], [0, sy, -sy * y0], [0, 0, 1]], dtype=np.float64)
    return (moved @ np.asarray(intrinsics, dtype=np.float64)).astype(np.float32)
