"""The camera's path, from one body in two coordinate frames."""

import numpy as np
import torch

from humove.motion.rotations import axis_angle_to_matrix, matrix_to_axis_angle, resample_linear, resample_rotations
from humove.types import WorldCamera

DOWN = np.array([0.0, -1.0, 0.0])


def compute_camera_path(
    orient: np.ndarray, pelvis: np.ndarray, orient_world: np.ndarray, pelvis_world: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compute rotations (M, 3, 3) and positions (M, 3) m from the camera's frame to the world.

    The pelvis is rotated by orient (M, 3) axis-angle and lies at pelvis (M, 3) m in the camera, and likewise in the
    world; the camera maps one to the other.
    """
    turn, turn_world = (axis_angle_to_matrix(torch.from_numpy(np.asarray(a, dtype=np.float64))).numpy()
                        for a in (orient, orient_world))  # fmt: skip
    rotation = turn_world @ np.swapaxes(turn, 1, 2)
    return rotation, pelvis_world - np.einsum("nij,nj->ni", rotation, pelvis)


def interpolate_path(rotation: np.ndarray, position: np.ndarray, known: np.ndarray) -> WorldCamera:
    """Interpolate the path on N frames from its values on the `known` (N,) ones, held at the ends."""
    at, every = np.flatnonzero(known).astype(np.float64), np.arange(len(known), dtype=np.float64)
    axis_angle = matrix_to_axis_angle(torch.from_numpy(rotation)).numpy()
    turns = axis_angle_to_matrix(torch.from_numpy(resample_rotations(axis_angle, at, every)).double()).numpy()
    return WorldCamera(
        rotation=turns.astype(np.float32),
        position=resample_linear(position, at, every),
        gravity=np.einsum("nji,j->ni", turns, DOWN).astype(np.float32),
    )
