"""Smoothing of sampled motion."""

from dataclasses import replace

import numpy as np
import torch

from humove.motion.body import compute_joints
from humove.motion.rotations import axis_angle_to_matrix, matrix_to_6d, matrix_to_axis_angle, sixd_to_matrix
from humove.types import SmplMotion

_SIGMA_S = 0.025
"""Deviation of the Gaussian in time. It halves the amplitude at 7.5 Hz: people move more slowly, noise does not. At 8
frames per second it has no visible effect; at 24 each neighbour has a weight of a sixth."""


def smooth_motion(motion: SmplMotion, fps: float) -> SmplMotion:
    """Smooth sampled motion. The raw_ arrays keep the model's output."""
    frames = len(motion.transl)
    offsets_s = (np.arange(frames)[:, None] - np.arange(frames)) / fps
    weights = np.exp(-0.5 * (offsets_s / _SIGMA_S) ** 2)
    weights /= weights.sum(1, keepdims=True)
    weights_TT = torch.from_numpy(weights)
    orient = _average_rotations(weights_TT, motion.raw_global_orient)
    pose = _average_rotations(weights_TT, motion.raw_body_pose)
    transl = (weights @ motion.raw_transl.astype(np.float64)).astype(np.float32)
    return replace(
        motion,
        global_orient=orient,
        body_pose=pose,
        transl=transl,
        joints=compute_joints(motion.rest_joints, orient, pose, transl),
    )


def _average_rotations(weights: torch.Tensor, rotations: np.ndarray) -> np.ndarray:
    """Average rotations (T, ..., 3) by weights (T, T), whose rows sum to 1."""
    sixd = matrix_to_6d(axis_angle_to_matrix(torch.from_numpy(rotations.astype(np.float64))))
    mean = torch.einsum("ts,s...->t...", weights, sixd)
    return matrix_to_axis_angle(sixd_to_matrix(mean)).numpy().astype(np.float32)
