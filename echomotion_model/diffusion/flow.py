"""Flow matching in Wan's convention: sigma 1 is noise and 0 is clean, the model predicts noise - clean.

The paper's convention is the reverse (t = 1 for clean data, and the negative target). Wan's weights are trained with
this one; with the other they would predict the wrong sign. The model's timestep is 1000 sigma.
"""

import torch
from pydantic import Field

from humove.config.strict import Strict

TIMESTEPS = 1000.0
"""The model's timestep of pure noise."""


class FlowConfig(Strict):
    """The noise schedule of each modality."""

    video_shift: float = Field(
        8.0, gt=0, allow_inf_nan=False, description="pushes the video's times towards noise; 8 is the paper's for 1.3B"
    )
    motion_shift: float = Field(
        1.0, gt=0, allow_inf_nan=False,
        description="the same for motion, separately: a shift of 8 spends 1.4 % of its steps below sigma 0.1, where "
        "small joint errors are learned, and leaves jitter; equal to video_shift, both have the same time",
    )  # fmt: skip


def shift_sigma(sigma: torch.Tensor, shift: float) -> torch.Tensor:
    """Shift sigma in [0, 1] towards 1: shift sigma / (1 + (shift - 1) sigma). 0 and 1 are fixed points."""
    return shift * sigma / (1 + (shift - 1) * sigma)


def build_sigma_grid(steps: int, shift: float) -> torch.Tensor:
    """Return the sigmas of `steps` Euler steps: (steps + 1,) float64, from 1 down to 0.

    linspace(1, 0, steps + 1) without its end, shifted once, then 0. (diffusers' scheduler, built with a shift and
    then asked for steps, shifts twice.)
    """
    if steps < 1:
        raise ValueError(f"{steps} steps: at least 1 is needed")
    even = torch.linspace(1, 0, steps + 1, dtype=torch.float64)[:-1]
    return torch.cat([shift_sigma(even, shift), torch.zeros(1, dtype=torch.float64)])


def add_noise(clean: torch.Tensor, noise: torch.Tensor, sigma_B: torch.Tensor) -> torch.Tensor:
    """Return (1 - sigma) clean + sigma noise for tensors (B, ...); with sigma 0 this is `clean`, bit for bit."""
    sigma = _broadcast_sigma(sigma_B, clean)
    return (1 - sigma) * clean + sigma * noise


def compute_velocity(clean: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Return the model's target, which is the same at every sigma."""
    return noise - clean


def _broadcast_sigma(sigma_B: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return sigma_B.to(like).reshape(-1, *(1,) * (like.ndim - 1))
