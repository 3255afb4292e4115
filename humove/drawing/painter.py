"""Rendering of the body by the painter's algorithm: faces sorted by depth, cv2.fillConvexPoly, no GL.

Used by the sample videos and `humove inspect`; about 15 ms per frame. Camera frame and pixels: humove.motion.camera.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from humove.motion.camera import project_points

cv2.setNumThreads(1)  # results must not depend on the number of cores

_SUPERSAMPLING = 2
_SUBPIXEL_BITS = 4
# Eyes, brows and mouth lie just above the face: they count as nearer, so that they sort before its triangles.
_FEATURES = ("eye_white", "iris", "brow", "lips", "nostril")
_FEATURE_LIFT_M = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Clothes:
    """RGB colours of a dressed person."""

    skin: tuple[int, int, int] = (224, 172, 140)
    hair: tuple[int, int, int] = (62, 42, 30)
    shirt: tuple[int, int, int] = (178, 60, 52)
    trousers: tuple[int, int, int] = (52, 62, 96)
    shoes: tuple[int, int, int] = (48, 44, 42)
    long_sleeves: bool = False
    shorts: bool = False

    def get_face_colors(self, regions: tuple[str, ...], face_regions: np.ndarray) -> np.ndarray:
        """Return (F, 3) float32 RGB for the faces of a Body."""
        by_region = {
            "skin_head": self.skin,
            "hair": self.hair,
            "torso": self.shirt,
            "hips": self.trousers,
            "upper_arm": self.shirt,
            "forearm": self.shirt if self.long_sleeves else self.skin,
            "hand": self.skin,
            "upper_leg": self.trousers,
            "lower_leg": self.skin if self.shorts else self.trousers,
            "foot": self.shoes,
            "eye_white": (238, 234, 230),
            "iris": (46, 34, 28),
            "brow": tuple(c // 2 for c in self.hair),
            "lips": (170, 84, 82),
            "nostril": tuple(int(c * 0.55) for c in self.skin),
        }
        return np.array([by_region[name] for name in regions], dtype=np.float32)[face_regions]


def compute_feature_lift(regions: tuple[str, ...], face_regions: np.ndarray) -> np.ndarray:
    """Return (F,) metres by which each face counts as nearer when faces are sorted."""
    lifts = np.array([_FEATURE_LIFT_M * (1 + (name == "iris")) if name in _FEATURES else 0.0 for name in regions])
    return lifts[face_regions]


def paint_mesh(
    vertices: np.ndarray,
    faces: np.ndarray,
    colors: np.ndarray,
    intrinsics: np.ndarray,
    background: np.ndarray,
    *,
    light: tuple[float, float, float] = (0.35, -0.75, -0.6),
    lift: np.ndarray | None = None,
    opacity: float = 1.0,
) -> np.ndarray:
    """Paint the mesh over the background (H, W, 3) uint8 RGB; returns a new array.

    vertices: (V, 3) m in the camera frame; faces: (F, 3), outward by the right-hand rule; colors: (F, 3) RGB 0..255;
    light: direction towards the lamp, camera frame; lift: see compute_feature_lift; opacity: 0..1 of the mesh. Faces
    turned away, or within 5 cm of the camera, are not drawn.
    """
    out = background.copy()
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    centres = corners.mean(1)
    shown = ((normals * centres).sum(1) < 0) & (corners[:, :, 2].min(1) > 0.05)
    if not shown.any():
        return out
    box = _find_bounding_box(project_points(vertices[np.unique(faces[shown])], intrinsics), background.shape)
    if box is None:
        return out
    x0, y0, x1, y1 = box

    distance = np.linalg.norm(centres, axis=1)
    order = np.argsort(-(distance - (0 if lift is None else lift)), kind="stable")
    order = order[shown[order]]
    shaded = _shade_faces(normals[order], colors[order], np.array(light))
    size = _SUPERSAMPLING * 2**_SUBPIXEL_BITS
    pixels = (project_points(corners[order], intrinsics) - (x0, y0)) * size
    pixels = np.clip(np.rint(pixels - size / (2 * _SUPERSAMPLING)), -(2**24), 2**24).astype(np.int32)

    patch = out[y0:y1, x0:x1]
    small = (x1 - x0, y1 - y0)
    big = cv2.resize(patch, (small[0] * _SUPERSAMPLING, small[1] * _SUPERSAMPLING), interpolation=cv2.INTER_NEAREST)
    for triangle, color in zip(pixels, shaded.tolist(), strict=True):
        cv2.fillConvexPoly(big, triangle, color, lineType=cv2.LINE_8, shift=_SUBPIXEL_BITS)
    painted = cv2.resize(big, small, interpolation=cv2.INTER_AREA)
    out[y0:y1, x0:x1] = painted if opacity >= 1 else cv2.addWeighted(painted, opacity, patch, 1 - opacity, 0)
    return out


def cast_shadow(
    background: np.ndarray,
    vertices: np.ndarray,
    faces: np.ndarray,
    intrinsics: np.ndarray,
    floor: tuple[np.ndarray, float],
    *,
    light: tuple[float, float, float] = (0.35, -0.75, -0.6),
    strength: float = 0.45,
) -> np.ndarray:
    """Paint the mesh's soft shadow on the floor, a plane n.x = d of the camera frame, given as (n, d)."""
    normal, level = floor
    beam = -np.array(light)
    slope = beam @ normal
    if abs(slope) < 1e-3:
        return background
    on_floor = vertices + ((level - vertices @ normal) / slope)[:, None] * beam
    if on_floor[:, 2].min() < 0.1:
        return background
    height, width = background.shape[:2]
    shrink = 4
    mask = np.zeros((height // shrink + 1, width // shrink + 1), dtype=np.uint8)
    corners = vertices[faces]
    lit = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) @ np.array(light) > 0
    pixels = np.clip(np.rint(project_points(on_floor[faces[lit]], intrinsics) / shrink), -(2**14), 2**14).astype(
        np.int32
    )
    for triangle in pixels:
        cv2.fillConvexPoly(mask, triangle, 255)
    soft = cv2.resize(cv2.GaussianBlur(mask, (0, 0), 1.5), (mask.shape[1] * shrink, mask.shape[0] * shrink))
    darker = 1 - strength * soft[:height, :width, None].astype(np.float32) / 255
    return np.clip(background * darker, 0, 255).astype(np.uint8)


def _shade_faces(normals: np.ndarray, colors: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Shade by Lambert's law with a soft light from above: (F, 3) float RGB."""
    unit = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    key = np.clip(unit @ (light / np.linalg.norm(light)), 0, 1)
    sky = 0.5 - 0.5 * unit[:, 1]
    return np.clip(colors * (0.42 + 0.48 * key + 0.18 * sky)[:, None], 0, 255)


def _find_bounding_box(pixels: np.ndarray, shape: tuple[int, ...]) -> tuple[int, int, int, int] | None:
    """Return the pixel box of the points, clipped to the image; None if they are all outside."""
    height, width = shape[:2]
    x0, y0 = np.floor(np.clip(pixels.min(0), -1, (width, height))).astype(int) - 1
    x1, y1 = np.ceil(np.clip(pixels.max(0), -1, (width, height))).astype(int) + 1
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
    return (int(x0), int(y0), int(x1), int(y1)) if x1 > x0 and y1 > y0 else None
