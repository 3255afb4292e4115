"""A synthetic static camera for motion without one.

Motion capture is in world coordinates, paired samples in a camera's. So each piece of motion gets a static camera of
the paper's frame size, which depends on the piece's key alone: from any side, looking down by -3 to 15 degrees, at the
smallest distance with the whole body always in view, or up to 1.35 times as far.
"""

from dataclasses import dataclass

import numpy as np
import torch

from echomotion_model.importing.motion import SourceMotion
from humove.ids import hash_to_unit_interval
from humove.motion.body import compute_joints
from humove.motion.camera import intrinsics_from_fov
from humove.motion.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from shards.motion_only.schemas import CameraRecord

WIDTH, HEIGHT, FOV_DEG = 832, 480, 55.0
"""Frame size in px, and the field of view across its longer side that the pipeline assumes for unknown cameras."""
_PITCH_DEG = (-3.0, 15.0)
_FARTHER = 1.35
_NEAREST_M = 2.0
_FLESH_M = 0.14
"""Maximum extent of the body beyond its joints: the crown above the head joint."""
_SHARE = 0.94
"""Usable share of the half frame size; the rest is margin."""

_Y_UP = {
    "world_y_up": np.eye(3),
    "world_z_up": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilmedMotion:
    """A motion in the frame of a camera."""

    global_orient: np.ndarray
    """(N, 3) float32 rad"""
    transl: np.ndarray
    """(N, 3) float32 m"""
    intrinsics: np.ndarray
    """(3, 3) float32 px"""
    record: CameraRecord


def film_motion(motion: SourceMotion, key: str) -> FilmedMotion:
    """Transform motion to the frame of the camera that `key` determines. ValueError if it already has a camera."""
    if motion.frame not in _Y_UP:
        raise ValueError(f"{key}: {motion.frame} motion has its camera; pass motion in world coordinates")
    upright = _Y_UP[motion.frame]
    world = compute_joints(motion.rest_joints, motion.global_orient, motion.body_pose, motion.transl) @ upright.T
    rotations = axis_angle_to_matrix(torch.from_numpy(motion.global_orient.astype(np.float64))).numpy()
    azimuth = 360 * hash_to_unit_interval(f"{key} azimuth") - 180
    pitch = _PITCH_DEG[0] + (_PITCH_DEG[1] - _PITCH_DEG[0]) * hash_to_unit_interval(f"{key} pitch")
    view = _build_view_rotation(np.radians(azimuth) + _compute_heading(upright @ rotations), np.radians(pitch))

    intrinsics = intrinsics_from_fov(WIDTH, HEIGHT, FOV_DEG)
    target = (world.min((0, 1)) + world.max((0, 1))) / 2
    points = (world.reshape(-1, 3) - target) @ view.T
    slopes = _SHARE * np.array([WIDTH, HEIGHT]) / (2 * intrinsics[0, 0])
    needed = ((np.abs(points[:, :2]) + _FLESH_M) / slopes - points[:, 2:]).max()
    distance = max(float(needed), _NEAREST_M) * (1 + (_FARTHER - 1) * hash_to_unit_interval(f"{key} distance"))

    rotation = view @ upright
    translation = -view @ target + (0, 0, distance)
    orient, transl = transform_motion(motion, rotation, translation)
    return FilmedMotion(
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


def transform_motion(
    motion: SourceMotion, rotation: np.ndarray, translation: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return global_orient (N, 3) and transl (N, 3), float32, after x' = rotation @ x + translation.

    SMPL rotates about the pelvis, not the origin: the pelvis is transformed as a point, which determines transl.
    """
    rotations = axis_angle_to_matrix(torch.from_numpy(motion.global_orient.astype(np.float64)))
    orient = matrix_to_axis_angle(torch.from_numpy(rotation) @ rotations).numpy()
    rest = motion.rest_joints[0].astype(np.float64)
    transl = (motion.transl + rest) @ rotation.T + translation - rest
    return orient.astype(np.float32), transl.astype(np.float32)


def _compute_heading(rotations: np.ndarray) -> float:
    """Return the mean direction of the pelvis, in radians from +z towards +x; rotations: (N, 3, 3), y up."""
    forward = rotations[:, :, 2].mean(0)
    return float(np.arctan2(forward[0], forward[2]))


def _build_view_rotation(azimuth: float, pitch: float) -> np.ndarray:
    """Return (3, 3): world (y up) to camera, from `azimuth` (0: from +z), looking down by `pitch`, without roll."""
    forward = -np.array([np.sin(azimuth) * np.cos(pitch), np.sin(pitch), np.cos(azimuth) * np.cos(pitch)])
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward])
