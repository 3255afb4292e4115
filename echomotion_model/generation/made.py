"""Motion that was sampled, as motion.npz stores it."""

from dataclasses import replace

import numpy as np
import torch

from humove.body import joints_of_pose
from humove.rotations import axis_angle_to_matrix, matrix_to_6d, matrix_to_axis_angle, sixd_to_matrix
from humove.types import SmplMotion

_SIGMA_S = 0.025
"""A Gaussian in time of this deviation halves what swings 7.5 times a second: people move more slowly, noise doesn't.
At 8 frames a second it changes nothing that can be seen, at 24 a sixth of each neighbour is mixed in."""


def steadied(motion: SmplMotion, fps: float) -> SmplMotion:
    """Sampled motion without what is too fast for a body. The raw_ arrays keep it as the model said it."""
    frames = len(motion.transl)
    apart = (np.arange(frames)[:, None] - np.arange(frames)) / fps
    weights = np.exp(-0.5 * (apart / _SIGMA_S) ** 2)
    weights /= weights.sum(1, keepdims=True)
    mixed = torch.from_numpy(weights)
    orient = _mixed_turns(mixed, motion.raw_global_orient)
    pose = _mixed_turns(mixed, motion.raw_body_pose)
    transl = (weights @ motion.raw_transl.astype(np.float64)).astype(np.float32)
    return replace(
        motion,
        global_orient=orient,
        body_pose=pose,
        transl=transl,
        joints=joints_of_pose(motion.rest_joints, orient, pose, transl),
    )


def _mixed_turns(weights: torch.Tensor, turns: np.ndarray) -> np.ndarray:
    """Rotations (T, ..., 3), each the weighted mean of all of them: (T, T) weights of rows that sum to 1."""
    sixd = matrix_to_6d(axis_angle_to_matrix(torch.from_numpy(turns.astype(np.float64))))
    mean = torch.einsum("ts,s...->t...", weights, sixd)
    return matrix_to_axis_angle(sixd_to_matrix(mean)).numpy().astype(np.float32)
