"""Flow matching in Wan's convention: sigma 1 is noise and 0 is clean, the model predicts noise - clean.

The paper writes the reverse (t = 1 for clean data, its target the negative of ours); Wan's weights are trained on this
one, and with the other they would predict the wrong sign. The time that the model is told is 1000 sigma.
"""

import torch
from pydantic import Field

from humove.config import Strict

TIMESTEPS = 1000.0
"""The model's time of pure noise."""


class FlowConfig(Strict):
    """How much time is spent at which noise, for each modality."""

    video_shift: float = Field(
        8.0, gt=0, allow_inf_nan=False, description="pushes the video's times towards noise; 8 is the paper's for 1.3B"
    )
    motion_shift: float = Field(
        1.0, gt=0, allow_inf_nan=False,
        description="the same for motion, on its own: a shift of 8 spends 1.4 % of its steps below sigma 0.1, where "
        "small errors of the joints are learned, and leaves jitter; the same as video_shift gives both one time",
    )  # fmt: skip


def shifted(sigma: torch.Tensor, shift: float) -> torch.Tensor:
    """sigma in [0, 1] moved towards 1: shift sigma / (1 + (shift - 1) sigma). 0 and 1 stay where they are."""
    return shift * sigma / (1 + (shift - 1) * sigma)


def sigma_grid(steps: int, shift: float) -> torch.Tensor:
    """The times of `steps` Euler steps: (steps + 1,) float64, from 1 down to 0.

    linspace(1, 0, steps + 1) without its end, shifted once, and a last 0. (diffusers' scheduler, built with a shift
    and then asked for steps, shifts twice.)
    """
    if steps < 1:
        raise ValueError(f"{steps} steps: at least 1 is needed")
    even = torch.linspace(1, 0, steps + 1, dtype=torch.float64)[:-1]
    return torch.cat([shifted(even, shift), torch.zeros(1, dtype=torch.float64)])


def noised(clean: torch.Tensor, noise: torch.Tensor, sigma_B: torch.Tensor) -> torch.Tensor:
    """(1 - sigma) clean + sigma noise, for tensors (B, ...); with sigma 0 it is `clean`, bit for bit."""
    sigma = _over(sigma_B, clean)
    return (1 - sigma) * clean + sigma * noise


def velocity(clean: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """What the model is to predict, at every sigma."""
    return noise - clean


def _over(sigma_B: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return sigma_B.to(like).reshape(-1, *(1,) * (like.ndim - 1))
