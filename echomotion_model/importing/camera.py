"""A still camera before a motion that had none.

Motion capture lives in a world, paired samples in the frame of a camera. So each piece of motion is filmed by an
imagined still camera of the paper's picture size, drawn from the piece's key alone: from any side, looking down by -3
to 15 degrees, as near as it can be with the whole body in view all the time, or up to 1.35 times as far.
"""

from dataclasses import dataclass

import numpy as np
import torch

from echomotion_model.importing.motion import SourceMotion
from humove.body import joints_of_pose
from humove.camera import intrinsics_from_fov
from humove.ids import unit_interval
from humove.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from shards.motion_only_documents import CameraRecord

WIDTH, HEIGHT, FOV_DEG = 832, 480, 55.0
"""Picture in px, and the angle of view across its longer side: what the pipeline assumes of unknown cameras."""
_PITCH_DEG = (-3.0, 15.0)
_FARTHER = 1.35
_NEAREST_M = 2.0
_FLESH_M = 0.14
"""How far the body reaches beyond its joints: the crown above the head joint is the farthest."""
_SHARE = 0.94
"""Of the picture's half size: the rest is margin."""

_Y_UP = {
    "world_y_up": np.eye(3),
    "world_z_up": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Filmed:
    """A motion in the frame of a camera."""

    global_orient: np.ndarray
    """(N, 3) float32 rad"""
    transl: np.ndarray
    """(N, 3) float32 m"""
    intrinsics: np.ndarray
    """(3, 3) float32 px"""
    record: CameraRecord


def film(motion: SourceMotion, key: str) -> Filmed:
    """The motion before the camera that `key` draws. ValueError where it is in a camera's frame already."""
    if motion.frame not in _Y_UP:
        raise ValueError(f"{key}: {motion.frame} motion has its camera; film motion in a world")
    upright = _Y_UP[motion.frame]
    world = joints_of_pose(motion.rest_joints, motion.global_orient, motion.body_pose, motion.transl) @ upright.T
    turns = axis_angle_to_matrix(torch.from_numpy(motion.global_orient.astype(np.float64))).numpy()
    azimuth = 360 * unit_interval(f"{key} azimuth") - 180
    pitch = _PITCH_DEG[0] + (_PITCH_DEG[1] - _PITCH_DEG[0]) * unit_interval(f"{key} pitch")
    look = _look(np.radians(azimuth) + _heading(upright @ turns), np.radians(pitch))

    intrinsics = intrinsics_from_fov(WIDTH, HEIGHT, FOV_DEG)
    target = (world.min((0, 1)) + world.max((0, 1))) / 2
    seen = (world.reshape(-1, 3) - target) @ look.T
    slopes = _SHARE * np.array([WIDTH, HEIGHT]) / (2 * intrinsics[0, 0])
    needed = ((np.abs(seen[:, :2]) + _FLESH_M) / slopes - seen[:, 2:]).max()
    distance = max(float(needed), _NEAREST_M) * (1 + (_FARTHER - 1) * unit_interval(f"{key} distance"))

    rotation = look @ upright
    translation = -look @ target + (0, 0, distance)
    orient, transl = move(motion, rotation, translation)
    return Filmed(
        global_orient=orient,
        transl=transl,
        intrinsics=intrinsics,
        record=CameraRecord(
            made="synthetic",
            rotation=tuple(map(tuple, rotation.tolist())),
            translation=tuple(translation.tolist()),
            azimuth_deg=azimuth,
            pitch_deg=pitch,
            distance_m=distance,
            width=WIDTH,
            height=HEIGHT,
            fov_deg=FOV_DEG,
        ),
    )


def move(motion: SourceMotion, rotation: np.ndarray, translation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """global_orient (N, 3) and transl (N, 3), float32, in the frame where x' = rotation @ x + translation.

    SMPL turns about the pelvis, not the origin: the pelvis is moved as a point, and transl follows from it.
    """
    turns = axis_angle_to_matrix(torch.from_numpy(motion.global_orient.astype(np.float64)))
    orient = matrix_to_axis_angle(torch.from_numpy(rotation) @ turns).numpy()
    rest = motion.rest_joints[0].astype(np.float64)
    transl = (motion.transl + rest) @ rotation.T + translation - rest
    return orient.astype(np.float32), transl.astype(np.float32)


def _heading(turns: np.ndarray) -> float:
    """Where the pelvis faces on the whole, in radians from +z towards +x; turns: (N, 3, 3), y up."""
    ahead = turns[:, :, 2].mean(0)
    return float(np.arctan2(ahead[0], ahead[2]))


def _look(azimuth: float, pitch: float) -> np.ndarray:
    """(3, 3): world (y up) to camera, from `azimuth` (0: from +z), looking down by `pitch`; level, never rolled."""
    forward = -np.array([np.sin(azimuth) * np.cos(pitch), np.sin(pitch), np.cos(azimuth) * np.cos(pitch)])
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward])
