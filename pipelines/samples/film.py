"""Known motion before a still camera: pictures made one by one, and the truth in the camera's frame."""

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import torch

from humove.backdrop import View, backdrop
from humove.body import Body, joints_of_pose
from humove.bvh import read_bvh
from humove.camera import intrinsics_from_fov, project
from humove.painter import Clothes, cast_shadow, feature_lift, paint
from humove.retarget import WorldMotion, retarget
from humove.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from humove.video.encode import EncodeConfig, encode

_NOISE_SIGMA = 1.6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Actor:
    """A dressed body and what it does, in the world (y up, floor at y = 0)."""

    motion: WorldMotion
    clothes: Clothes

    def vertices(self) -> np.ndarray:
        """(N, V, 3) float32 m, world."""
        pose = np.concatenate([self.motion.global_orient[:, None], self.motion.body_pose], 1)
        parts = [
            self.motion.body.vertices(pose[i : i + 32], self.motion.transl[i : i + 32]) for i in range(0, len(pose), 32)
        ]
        return np.concatenate(parts)


class Film:
    """Frames (as humove.video.frames.Frames has them) of actors in a scene, painted when asked for."""

    matrix = "bt601"

    def __init__(
        self, actors: list[Actor], view: View, *, scene: str, seed: int, frames: int, fps: int, light: float = 1.0
    ) -> None:
        self.view, self.fps, self._frames = view, Fraction(fps), frames
        self.width, self.height = view.width, view.height
        self.source_frames = np.arange(frames)
        self.light, self._actors = light, actors
        self._scene = backdrop(scene, view, seed)
        rng = np.random.default_rng(seed)
        self._noise = rng.normal(0, _NOISE_SIGMA, (view.height, view.width, 3)).astype(np.float32)
        self._shifts = rng.integers(0, view.height, (frames, 2))
        self._meshes = [a.vertices() @ view.rotation.T.astype(np.float32) + view.translation for a in actors]
        self._colors = [a.clothes.face_colors(a.motion.body.regions, a.motion.body.face_regions) for a in actors]

    def __len__(self) -> int:
        return self._frames

    def rgb(self, index: int) -> np.ndarray:
        """(height, width, 3) uint8."""
        picture = self._scene
        k, floor = self.view.intrinsics, self.view.floor()
        for actor, mesh in zip(self._actors, self._meshes, strict=True):
            picture = cast_shadow(picture, mesh[index], actor.motion.body.faces, k, floor)
        far_first = np.argsort([-mesh[index][:, 2].mean() for mesh in self._meshes])
        for i in far_first:
            body = self._actors[i].motion.body
            lift = feature_lift(body.regions, body.face_regions)
            picture = paint(self._meshes[i][index], body.faces, self._colors[i], k, picture, lift=lift)
        noise = np.roll(self._noise, tuple(self._shifts[index]), axis=(0, 1))
        picture = cv2.add(picture, noise, dtype=cv2.CV_8U)
        return picture if self.light == 1 else cv2.convertScaleAbs(picture, alpha=self.light)

    def yuv(self, index: int) -> np.ndarray:
        """(height * 3 / 2, width) uint8."""
        return cv2.cvtColor(self.rgb(index), cv2.COLOR_RGB2YUV_I420)

    def truth(self) -> dict[str, np.ndarray]:
        """The first actor's parameters in the camera's frame (as motion.npz has them) and cam_intrinsics."""
        motion = self._actors[0].motion
        turned, transl = to_camera(motion, self.view)
        rest = motion.body.rest_joints
        return {
            "global_orient": turned,
            "body_pose": motion.body_pose,
            "transl": transl,
            "rest_joints": rest,
            "joints": joints_of_pose(rest, turned, motion.body_pose, transl),
            "cam_intrinsics": np.asarray(self.view.intrinsics, dtype=np.float32),
        }


class Joined:
    """Films one after the other, cut hard; of one size and rate."""

    matrix = "bt601"

    def __init__(self, *films: Film) -> None:
        self._films = films
        self.fps, self.width, self.height = films[0].fps, films[0].width, films[0].height
        self.source_frames = np.arange(len(self))

    def __len__(self) -> int:
        return sum(map(len, self._films))

    def rgb(self, index: int) -> np.ndarray:
        """(height, width, 3) uint8."""
        for film in self._films:
            if index < len(film):
                return film.rgb(index)
            index -= len(film)
        raise IndexError(index)

    def yuv(self, index: int) -> np.ndarray:
        """(height * 3 / 2, width) uint8."""
        return cv2.cvtColor(self.rgb(index), cv2.COLOR_RGB2YUV_I420)


def to_camera(motion: WorldMotion, view: View) -> tuple[np.ndarray, np.ndarray]:
    """global_orient (N, 3) and transl (N, 3) in the camera's frame.

    SMPL turns about the pelvis, not the origin: the pelvis is moved as a point, and transl follows from it.
    """
    world = axis_angle_to_matrix(torch.from_numpy(motion.global_orient.astype(np.float64)))
    turned = matrix_to_axis_angle(torch.from_numpy(view.rotation) @ world).numpy()
    rest = motion.body.rest_joints[0].astype(np.float64)
    pelvis = (motion.transl + rest) @ view.rotation.T + view.translation
    return turned.astype(np.float32), (pelvis - rest).astype(np.float32)


def write_film(film: Film | Joined, path: Path) -> None:
    """Encodes the film as an mp4; the file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    encode(film, (0, 0, film.width, film.height), film.width, film.height, part, EncodeConfig())
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
    """One person before a still camera.

    azimuth_deg: 0 sees a person who faces +z from the front, 90 from the left side, 180 from behind; size: width,
    height px; fov_deg across the longer side; distance in m from the motion's middle, None for the nearest that shows
    all of it; light: 1 as it is, less is darker.
    """
    width, height = size
    k = intrinsics_from_fov(width, height, fov_deg)
    actor = Actor(motion=motion, clothes=clothes or Clothes())
    outline = actor.vertices()[[*range(0, len(motion), 3), len(motion) - 1], ::7]
    low, high = outline.min((0, 1)), outline.max((0, 1))
    target = (float(low[0] + high[0]) / 2, float(low[1] + high[1]) / 2, float(low[2] + high[2]) / 2)

    def view_from(metres: float) -> View:
        return View.around(
            k, width, height, target=target, distance=metres, azimuth_deg=azimuth_deg, camera_height=camera_height
        )

    if distance is None:
        distance = next(d for d in np.arange(2.0, 30.0, 0.1) if _shows(view_from(float(d)), outline))
    return Film(
        [actor],
        view_from(float(distance)),
        scene=scene,
        seed=seed,
        frames=len(motion),
        fps=round(motion.fps),
        light=light,
    )


def render_bvh(
    path: Path, out: Path, *, body: Body | None = None, frames: slice = slice(None), azimuth_deg: float = 0.0, **look
) -> dict[str, np.ndarray]:
    """Renders a BVH file to the mp4 `out`; gives the truth. `azimuth_deg` counts from where the person mostly faces.

    `look` goes to render_motion. Raises UserError where the file is no BVH or names its joints in an unknown way.
    """
    motion = retarget(read_bvh(path), body or Body.load(), source=path)
    motion = replace(
        motion,
        global_orient=motion.global_orient[frames],
        body_pose=motion.body_pose[frames],
        transl=motion.transl[frames],
    )
    film = render_motion(motion, azimuth_deg=azimuth_deg + heading_deg(motion), **look)
    write_film(film, out)
    return film.truth()


def heading_deg(motion: WorldMotion) -> float:
    """Where the pelvis faces on the whole, in degrees from +z towards +x."""
    ahead = axis_angle_to_matrix(torch.from_numpy(motion.global_orient.astype(np.float64))).numpy()[:, :, 2].mean(0)
    return float(np.degrees(np.arctan2(ahead[0], ahead[2])))


def _shows(view: View, points: np.ndarray, margin: float = 0.04) -> bool:
    camera = points.reshape(-1, 3) @ view.rotation.T + view.translation
    if camera[:, 2].min() < 0.8:
        return False
    share = project(camera, view.intrinsics) / (view.width, view.height)
    return bool((share > margin).all() and (share < 1 - margin).all())
