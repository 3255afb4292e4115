"""Rendered videos of known motion before a still camera, with the ground truth in the camera's frame."""

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import torch

from humove.drawing.backdrop import View, paint_backdrop
from humove.drawing.painter import Clothes, cast_shadow, compute_feature_lift, paint_mesh
from humove.motion.body import Body, compute_joints
from humove.motion.bvh import read_bvh
from humove.motion.camera import intrinsics_from_fov, project_points
from humove.motion.retarget import WorldMotion, retarget_bvh
from humove.motion.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from humove.video.encode import EncodeConfig, encode_clip

_NOISE_SIGMA = 1.6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Actor:
    """A dressed body and its motion in the world (y up, floor at y = 0)."""

    motion: WorldMotion
    clothes: Clothes

    def compute_vertices(self) -> np.ndarray:
        """Compute the mesh in the world: (N, V, 3) float32 m."""
        pose = np.concatenate([self.motion.global_orient[:, None], self.motion.body_pose], 1)
        parts = [
            self.motion.body.compute_vertices(pose[i : i + 32], self.motion.transl[i : i + 32])
            for i in range(0, len(pose), 32)
        ]
        return np.concatenate(parts)


class Film:
    """Frames (see humove.video.frames.Frames) of actors in a scene, painted on demand."""

    matrix = "bt601"

    def __init__(
        self, actors: list[Actor], view: View, *, scene: str, seed: int, frames: int, fps: int, light: float = 1.0
    ) -> None:
        self.view, self.fps, self._frames = view, Fraction(fps), frames
        self.width, self.height = view.width, view.height
        self.source_frames = np.arange(frames)
        self.light, self._actors = light, actors
        self._scene = paint_backdrop(scene, view, seed)
        rng = np.random.default_rng(seed)
        self._noise = rng.normal(0, _NOISE_SIGMA, (view.height, view.width, 3)).astype(np.float32)
        self._shifts = rng.integers(0, view.height, (frames, 2))
        self._meshes = [a.compute_vertices() @ view.rotation.T.astype(np.float32) + view.translation for a in actors]
        self._colors = [a.clothes.get_face_colors(a.motion.body.regions, a.motion.body.face_regions) for a in actors]

    def __len__(self) -> int:
        return self._frames

    def read_rgb(self, index: int) -> np.ndarray:
        """(height, width, 3) uint8."""
        image = self._scene
        k, floor = self.view.intrinsics, self.view.compute_floor()
        for actor, mesh in zip(self._actors, self._meshes, strict=True):
            image = cast_shadow(image, mesh[index], actor.motion.body.faces, k, floor)
        far_first = np.argsort([-mesh[index][:, 2].mean() for mesh in self._meshes])
        for i in far_first:
            body = self._actors[i].motion.body
            lift = compute_feature_lift(body.regions, body.face_regions)
            image = paint_mesh(self._meshes[i][index], body.faces, self._colors[i], k, image, lift=lift)
        noise = np.roll(self._noise, tuple(self._shifts[index]), axis=(0, 1))
        image = cv2.add(image, noise, dtype=cv2.CV_8U)
        return image if self.light == 1 else cv2.convertScaleAbs(image, alpha=self.light)

    def read_yuv(self, index: int) -> np.ndarray:
        """(height * 3 / 2, width) uint8."""
        return cv2.cvtColor(self.read_rgb(index), cv2.COLOR_RGB2YUV_I420)

    def compute_truth(self) -> dict[str, np.ndarray]:
        """Compute the first actor's parameters in the camera's frame (as in motion.npz), and cam_intrinsics."""
        motion = self._actors[0].motion
        turned, transl = transform_to_camera(motion, self.view)
        rest = motion.body.rest_joints
        return {
            "global_orient": turned,
            "body_pose": motion.body_pose,
            "transl": transl,
            "rest_joints": rest,
            "joints": compute_joints(rest, turned, motion.body_pose, transl),
            "cam_intrinsics": np.asarray(self.view.intrinsics, dtype=np.float32),
        }


class JoinedFilm:
    """Films of one size and rate, joined by hard cuts."""

    matrix = "bt601"

    def __init__(self, *films: Film) -> None:
        self._films = films
        self.fps, self.width, self.height = films[0].fps, films[0].width, films[0].height
        self.source_frames = np.arange(len(self))

    def __len__(self) -> int:
        return sum(map(len, self._films))

    def read_rgb(self, index: int) -> np.ndarray:
        """(height, width, 3) uint8."""
        for film in self._films:
            if index < len(film):
                return film.read_rgb(index)
            index -= len(film)
        raise IndexError(index)

    def read_yuv(self, index: int) -> np.ndarray:
        """(height * 3 / 2, width) uint8."""
        return cv2.cvtColor(self.read_rgb(index), cv2.COLOR_RGB2YUV_I420)


def transform_to_camera(motion: WorldMotion, view: View) -> tuple[np.ndarray, np.ndarray]:
    """Transform motion to global_orient (N, 3) and transl (N, 3) in the camera's frame.

    SMPL turns about the pelvis, not the origin: the pelvis is moved as a point, and transl follows from it.
    """
    world = axis_angle_to_matrix(torch.from_numpy(motion.global_orient.astype(np.float64)))
    turned = matrix_to_axis_angle(torch.from_numpy(view.rotation) @ world).numpy()
    rest = motion.body.rest_joints[0].astype(np.float64)
    pelvis = (motion.transl + rest) @ view.rotation.T + view.translation
    return turned.astype(np.float32), (pelvis - rest).astype(np.float32)


def write_film(film: Film | JoinedFilm, path: Path) -> None:
    """Encode the film as an mp4, written atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    encode_clip(film, (0, 0, film.width, film.height), film.width, film.height, part, EncodeConfig())
    part.replace(path)


def render_motion(
    motion: WorldMotion,
    *,
    azimuth_deg: float = 0.0,
    clothes: Clothes | None = None,
    scene: str = "room",
    size: tuple[int, int] = (480, 640),
    fov_deg: float = 55.0,
    distance: float | None = None,
    camera_height: float = 1.2,
    seed: int = 0,
    light: float = 1.0,
) -> Film:
    """Render one person before a still camera.

    azimuth_deg: 0 views a person who faces +z from the front, 90 from the left side, 180 from behind; size: width,
    height px; fov_deg across the longer side; distance in m from the motion's middle, None for the nearest that shows
    all of it; light: below 1 is darker.
    """
    width, height = size
    k = intrinsics_from_fov(width, height, fov_deg)
    actor = Actor(motion=motion, clothes=clothes or Clothes())
    outline = actor.compute_vertices()[[*range(0, len(motion), 3), len(motion) - 1], ::7]
    low, high = outline.min((0, 1)), outline.max((0, 1))
    target = (float(low[0] + high[0]) / 2, float(low[1] + high[1]) / 2, float(low[2] + high[2]) / 2)

    def make_view(metres: float) -> View:
        return View.look_at(
            k, width, height, target=target, distance=metres, azimuth_deg=azimuth_deg, camera_height=camera_height
        )

    if distance is None:
        distance = next(d for d in np.arange(2.0, 30.0, 0.1) if _is_visible(make_view(float(d)), outline))
    return Film(
        [actor],
        make_view(float(distance)),
        scene=scene,
        seed=seed,
        frames=len(motion),
        fps=round(motion.fps),
        light=light,
    )


def render_bvh(
    path: Path, out: Path, *, body: Body | None = None, frames: slice = slice(None), azimuth_deg: float = 0.0, **look
) -> dict[str, np.ndarray]:
    """Render a BVH file to the mp4 `out`; return the ground truth. `azimuth_deg` is relative to the mean heading.

    `look` goes to render_motion. Raises UserError if the file is not a BVH or its joint names are unknown.
    """
    motion = retarget_bvh(read_bvh(path), body or Body.load(), source=path)
    motion = replace(
        motion,
        global_orient=motion.global_orient[frames],
        body_pose=motion.body_pose[frames],
        transl=motion.transl[frames],
    )
    film = render_motion(motion, azimuth_deg=azimuth_deg + compute_heading_deg(motion), **look)
    write_film(film, out)
    return film.compute_truth()


def compute_heading_deg(motion: WorldMotion) -> float:
    """Compute the mean heading of the pelvis, in degrees from +z towards +x."""
    ahead = axis_angle_to_matrix(torch.from_numpy(motion.global_orient.astype(np.float64))).numpy()[:, :, 2].mean(0)
    return float(np.degrees(np.arctan2(ahead[0], ahead[2])))


def _is_visible(view: View, points: np.ndarray, margin: float = 0.04) -> bool:
    camera = points.reshape(-1, 3) @ view.rotation.T + view.translation
    if camera[:, 2].min() < 0.8:
        return False
    share = project_points(camera, view.intrinsics) / (view.width, view.height)
    return bool((share > margin).all() and (share < 1 - margin).all())
