"""Smoothing without lag: a Gaussian in time over rotations and translations."""

import numpy as np
import torch

from humove.motion.rotations import axis_angle_to_quaternion, quaternion_to_axis_angle


def smooth_linear(values: np.ndarray, width: float) -> np.ndarray:
    """Convolve (N, ...) with a Gaussian of standard deviation `width` frames; linear trends pass unchanged."""
    reach = min(int(np.ceil(3 * width)), len(values) - 1)
    if width <= 0 or reach < 1:
        return values
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    kernel /= kernel.sum()
    series = values.astype(np.float64)
    before = 2 * series[:1] - series[reach:0:-1]
    after = 2 * series[-1:] - series[-2 : -reach - 2 : -1]
    padded = np.concatenate([before, series, after])
    out = np.zeros_like(series)
    for offset, share in enumerate(kernel):
        out += share * padded[offset : offset + len(series)]
    return out


def smooth_rotations(axis_angle: np.ndarray, width: float) -> np.ndarray:
    """Smooth axis-angle (N, ..., 3) on the sphere of quaternions; `width` in frames. float32 out."""
    quats = axis_angle_to_quaternion(torch.from_numpy(axis_angle.astype(np.float64))).numpy()
    flips = np.where((quats[1:] * quats[:-1]).sum(-1, keepdims=True) < 0, -1.0, 1.0)
    quats[1:] *= np.cumprod(flips, axis=0)
    quats = smooth_linear(quats, width)
    quats /= np.linalg.norm(quats, axis=-1, keepdims=True)
    return quaternion_to_axis_angle(torch.from_numpy(quats)).numpy().astype(np.float32)
