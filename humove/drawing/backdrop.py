"""Procedural backgrounds: each pixel's ray is intersected with floor and wall, once for a still camera."""

from dataclasses import dataclass

import cv2
import numpy as np

KINDS = ("room", "park", "hall", "plain")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """A still camera in a world with the floor at y = 0, y up: x_camera = rotation @ x_world + translation (m)."""

    rotation: np.ndarray
    translation: np.ndarray
    intrinsics: np.ndarray
    width: int
    height: int

    @classmethod
    def look_at(
        cls,
        intrinsics: np.ndarray,
        width: int,
        height: int,
        *,
        target: tuple[float, float, float] = (0.0, 0.9, 0.0),
        distance: float = 3.5,
        azimuth_deg: float = 0.0,
        camera_height: float = 1.2,
    ) -> "View":
        """Place a camera `distance` m from `target`; azimuth 0 is +z (the front of a person facing +z)."""
        turn = np.radians(azimuth_deg)
        eye = np.array([target[0] + distance * np.sin(turn), camera_height, target[2] + distance * np.cos(turn)])
        forward = np.asarray(target, dtype=np.float64) - eye
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 1.0, 0.0])
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(forward, right), forward])
        return cls(rotation=rotation, translation=-rotation @ eye, intrinsics=intrinsics, width=width, height=height)

    def compute_floor(self) -> tuple[np.ndarray, float]:
        """Return the floor in the camera frame: unit normal n and d with n.x = d."""
        normal = self.rotation @ np.array([0.0, 1.0, 0.0])
        return normal, float(normal @ self.translation)


def paint_backdrop(kind: str, view: View, seed: int = 0) -> np.ndarray:
    """Paint (height, width, 3) uint8 RGB. `kind` is one of KINDS; `seed` varies colours and texture."""
    if kind not in KINDS:
        raise ValueError(f"no backdrop {kind!r}: choose one of {', '.join(KINDS)}")
    rng = np.random.default_rng(seed)
    if kind == "plain":
        image = _paint_plain(view, rng)
    else:
        image = {"room": _paint_room, "park": _paint_park, "hall": _paint_hall}[kind](_Rays(view), rng)
    grain = rng.normal(0, 2.0, image.shape)
    return np.clip(image + grain, 0, 255).astype(np.uint8)


class _Rays:
    """The intersections of each pixel's ray with the floor (x, z) and with a wall behind the scene (along, up)."""

    def __init__(self, view: View, wall_distance: float = 2.4) -> None:
        v, u = np.mgrid[0 : view.height, 0 : view.width] + 0.5
        k = np.asarray(view.intrinsics, dtype=np.float64)
        camera = np.stack([(u - k[0, 2]) / k[0, 0], (v - k[1, 2]) / k[1, 1], np.ones_like(u)], -1)
        ray = camera @ view.rotation
        eye = -view.rotation.T @ view.translation
        ahead = view.rotation[2] * (1, 0, 1)
        ahead /= np.linalg.norm(ahead)
        along = np.cross([0, 1, 0], ahead)
        to_wall = (wall_distance - eye @ ahead) / np.maximum(ray @ ahead, 1e-3)
        at_wall = eye + to_wall[..., None] * ray
        self.wall_along, self.wall_up = at_wall @ along, at_wall[..., 1]
        to_floor = np.where(ray[..., 1] < -1e-3, -eye[1] / np.minimum(ray[..., 1], -1e-3), np.inf)
        self.is_floor = to_floor < to_wall
        at_floor = eye + np.where(np.isfinite(to_floor), to_floor, 0)[..., None] * ray
        self.floor_x, self.floor_z = at_floor[..., 0], at_floor[..., 2]
        self.up = ray[..., 1] / np.linalg.norm(ray, axis=-1)
        self.shape = u.shape


def _make_noise(rng: np.random.Generator, shape: tuple[int, int], cell: int) -> np.ndarray:
    """Make smooth noise, -1..1, with features of about `cell` px."""
    coarse = rng.uniform(-1, 1, (shape[0] // cell + 3, shape[1] // cell + 3)).astype(np.float32)
    return cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)


def _paint_room(rays: _Rays, rng: np.random.Generator) -> np.ndarray:
    wall = np.array((206, 200, 186)) + rng.uniform(-26, 22, 3)
    wood = np.array((150, 112, 78)) + rng.uniform(-18, 18, 3)
    shade = 1 + 0.06 * _make_noise(rng, rays.shape, 90) - 0.05 * np.abs(rays.wall_up - 1.4)
    image = wall * shade[..., None]
    image = np.where((rays.wall_up < 0.12)[..., None], (232, 230, 224), image)
    for centre, up, wide, high, color in ((-1.25, 1.55, 0.45, 0.35, (90, 120, 128)), (1.15, 1.35, 0.5, 0.65, 0)):
        dx, dy = np.abs(rays.wall_along - centre), np.abs(rays.wall_up - up)
        inside = (dx < wide) & (dy < high)
        frame = (dx < wide + 0.05) & (dy < high + 0.05) & ~inside
        image = np.where(frame[..., None], (92, 74, 58), image)
        glass = np.stack([170 + 30 * (rays.wall_up - up), 200 + 30 * (rays.wall_up - up), 226 + 0 * rays.wall_up], -1)
        fill = glass if color == 0 else np.array(color) * (1 + 0.25 * _make_noise(rng, rays.shape, 24))[..., None]
        image = np.where(inside[..., None], fill, image)
    plank = np.floor(rays.floor_x / 0.14)
    tone = 1 + 0.10 * np.sin(plank * 12.9898 + 4.1) + 0.03 * np.sin(rays.floor_z * 23 + plank * 3)
    gap = np.abs(rays.floor_x / 0.14 - plank) < 0.04
    floor = wood * (tone * np.where(gap, 0.75, 1))[..., None]
    return np.where(rays.is_floor[..., None], floor, image)


def _paint_hall(rays: _Rays, rng: np.random.Generator) -> np.ndarray:
    wall = np.array((150, 158, 164)) + rng.uniform(-20, 20, 3)
    brick = (np.abs(rays.wall_up / 0.3 % 1 - 0.5) > 0.47) | (
        np.abs((rays.wall_along / 0.6 + 0.5 * np.floor(rays.wall_up / 0.3 - 0.5)) % 1 - 0.5) > 0.48
    )
    image = wall * (1 + 0.05 * _make_noise(rng, rays.shape, 60) - 0.08 * brick)[..., None]
    dado = rays.wall_up < 0.9
    image = np.where(dado[..., None], image * np.array((0.72, 0.78, 0.80)), image)
    tile = (np.floor(rays.floor_x / 0.5) + np.floor(rays.floor_z / 0.5)) % 2
    floor = (np.array((128, 124, 116)) + rng.uniform(-12, 12, 3)) * (1 - 0.10 * tile)[..., None]
    floor = floor * (1 + 0.04 * _make_noise(rng, rays.shape, 12))[..., None]
    return np.where(rays.is_floor[..., None], floor, image)


def _paint_park(rays: _Rays, rng: np.random.Generator) -> np.ndarray:
    high = np.clip(rays.up * 2.2, 0, 1)[..., None]
    sky = (1 - high) * np.array((206, 222, 236)) + high * np.array((112, 160, 214))
    sky = sky + 14 * np.clip(_make_noise(rng, rays.shape, 70), 0, 1)[..., None]
    crowns = 0.10 + 0.05 * _make_noise(rng, rays.shape, 40) + 0.02 * _make_noise(rng, rays.shape, 11)
    leaves = 1 + 0.25 * _make_noise(rng, rays.shape, 9) + 0.2 * _make_noise(rng, rays.shape, 28)
    trees = np.array((64, 92, 56)) * leaves[..., None]
    image = np.where((rays.up < crowns)[..., None], trees, sky)
    grass = np.array((104, 134, 68)) + rng.uniform(-14, 14, 3)
    blades = 1 + 0.10 * _make_noise(rng, rays.shape, 5) + 0.10 * _make_noise(rng, rays.shape, 36)
    blades = blades + 0.04 * rng.normal(size=rays.shape)
    return np.where((rays.up < -0.015)[..., None], grass * blades[..., None], image)


def _paint_plain(view: View, rng: np.random.Generator) -> np.ndarray:
    """Paint low-frequency colour noise, like an out-of-focus photograph."""
    shape = (view.height, view.width)
    base = rng.uniform(90, 180, 3)
    clouds = [_make_noise(rng, shape, cell) for cell in (160, 160, 160, 60)]
    image = np.stack([base[i] + 34 * clouds[i] + 14 * clouds[3] for i in range(3)], -1)
    return image
