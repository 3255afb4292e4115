"""AdamW and the rate that it learns at."""

import math
from collections.abc import Iterable

import torch
from pydantic import Field
from torch import nn

from humove.config import Strict


class OptimizerConfig(Strict):
    """AdamW."""

    betas: tuple[float, float] = Field((0.9, 0.999), description="how long it remembers gradients and their squares")
    eps: float = Field(1e-8, gt=0, description="keeps small gradients from large steps")
    weight_decay: float = Field(
        1e-3, ge=0, description="pulls matrices towards zero; biases, norms and tables are left alone"
    )
    clip_norm: float = Field(1.0, gt=0, description="gradients longer than this are shortened to it")


class PhaseConfig(Strict):
    """One phase of training."""

    steps: int = Field(1000, ge=0, description="steps of the optimizer; 0 leaves the phase out")
    learning_rate: float = Field(8e-6, gt=0, allow_inf_nan=False, description="AdamW's")
    warmup_steps: int = Field(0, ge=0, description="steps over which the rate rises from zero")
    cooldown: float = Field(0.0, ge=0, le=1, description="last share of the steps, over which the rate falls to zero")
    accumulate: int = Field(1, ge=1, description="batches whose gradients are gathered for one step")

    def rate(self, step: int) -> float:
        """The rate of step 0, 1, ... of this phase: linear up, constant, a half cosine down."""
        rising = min(1.0, (step + 1) / (self.warmup_steps + 1))
        left = (self.steps - step) / max(1.0, self.cooldown * self.steps)
        falling = 1.0 if left >= 1 else 0.5 * (1 - math.cos(math.pi * left))
        return self.learning_rate * min(rising, falling)


def make_optimizer(parameters: Iterable[tuple[str, nn.Parameter]], config: OptimizerConfig) -> torch.optim.AdamW:
    """AdamW over the parameters that train. Its state is there from the start, so that every checkpoint of a phase has
    the same keys, whether or not a parameter has had a gradient yet."""
    training = {name: parameter for name, parameter in parameters if parameter.requires_grad}
    groups = [
        {
            "params": [each for name, each in training.items() if _is_matrix(name, each)],
            "weight_decay": config.weight_decay,
        },
        {"params": [each for name, each in training.items() if not _is_matrix(name, each)], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=0.0, betas=config.betas, eps=config.eps, fused=True
    )
    for parameter in training.values():
        optimizer.state[parameter] = {
            "step": torch.zeros((), device=parameter.device),
            "exp_avg": torch.zeros_like(parameter),
            "exp_avg_sq": torch.zeros_like(parameter),
        }
    return optimizer


def _is_matrix(name: str, parameter: nn.Parameter) -> bool:
    """Whether it multiplies tokens. The modulation's tables and the motion tokens' biases are rows of vectors."""
    return parameter.ndim > 1 and not name.endswith(("_table", "_bias"))


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
