"""An exponential moving average of the weights, which gives better samples than the last weights."""

from collections.abc import Iterable

import torch
from pydantic import Field
from torch import nn

from humove.config.strict import Strict


class EmaConfig(Strict):
    """Settings of the average, which is float32 and sharded as the weights are."""

    decay: float = Field(
        0.999,
        ge=0,
        lt=1,
        description="share of the average that a step keeps; 0: no average, which saves its memory",
    )


class Ema:
    """The average of a model's floating-point parameters, by name; of sharded ones (DTensor) each rank's shards."""

    def __init__(self, parameters: Iterable[tuple[str, nn.Parameter]], decay: float) -> None:
        self._decay, self.updates = decay, 0
        self.weights = {name: parameter.detach().float().clone() for name, parameter in parameters}

    @torch.no_grad()
    def update(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> None:
        """Move the average towards the weights, faster in the first steps so that it forgets the initial weights."""
        self.updates += 1
        kept = min(self._decay, (1 + self.updates) / (10 + self.updates))
        for name, parameter in parameters:
            if parameter.requires_grad:
                self.weights[name].lerp_(parameter.detach().float(), 1 - kept)

    @torch.no_grad()
    def swap(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> None:
        """Exchange the average and the weights; a second call restores them."""
        for name, parameter in parameters:
            weights = parameter.detach().clone()
            parameter.copy_(self.weights[name])
            self.weights[name].copy_(weights)
