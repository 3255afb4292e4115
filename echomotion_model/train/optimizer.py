"""AdamW and the learning rate's schedule."""

import math
from collections.abc import Iterable

import torch
from pydantic import Field
from torch import nn

from humove.config.strict import Strict


class OptimizerConfig(Strict):
    """Settings of AdamW."""

    betas: tuple[float, float] = Field(
        (0.9, 0.999), description="decay of the averages of gradients and of their squares"
    )
    eps: float = Field(1e-8, gt=0, description="added to the denominator, for numerical stability")
    weight_decay: float = Field(1e-3, ge=0, description="decay of matrices; biases, norms and tables do not decay")
    clip_norm: float = Field(1.0, gt=0, description="maximum norm of the gradient")


class PhaseConfig(Strict):
    """Settings of one training phase."""

    steps: int = Field(1000, ge=0, description="optimizer steps; 0: skip the phase")
    learning_rate: float = Field(8e-6, gt=0, allow_inf_nan=False, description="peak learning rate")
    warmup_steps: int = Field(0, ge=0, description="steps over which the rate rises linearly from zero")
    cooldown: float = Field(
        0.0, ge=0, le=1, description="share of the steps, at the end, over which the rate falls to zero"
    )
    accumulate: int = Field(1, ge=1, description="batches whose gradients are accumulated for one step")

    def compute_rate(self, step: int) -> float:
        """Compute the rate of step 0, 1, ... of this phase: linear warmup, constant, cosine decay."""
        rising = min(1.0, (step + 1) / (self.warmup_steps + 1))
        left = (self.steps - step) / max(1.0, self.cooldown * self.steps)
        falling = 1.0 if left >= 1 else 0.5 * (1 - math.cos(math.pi * left))
        return self.learning_rate * min(rising, falling)


def make_optimizer(parameters: Iterable[tuple[str, nn.Parameter]], config: OptimizerConfig) -> torch.optim.AdamW:
    """Make AdamW over the trainable parameters.

    Its state exists from the start, so that all checkpoints of a phase have the same keys, whether or not a parameter
    has had a gradient yet.
    """
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
    """Return whether it multiplies tokens; modulation tables and motion tokens' biases are rows of vectors."""
    return parameter.ndim > 1 and not name.endswith(("_table", "_bias"))


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
