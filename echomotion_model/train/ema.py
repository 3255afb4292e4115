"""A slow average of the weights, which samples better than the last weights do."""

from collections.abc import Iterable

import torch
from pydantic import Field
from torch import nn

from humove.config import Strict


class EmaConfig(Strict):
    """The average; it is kept in float32, sharded as the weights are."""

    decay: float = Field(
        0.999,
        ge=0,
        lt=1,
        description="share of the average that a step keeps; 0 keeps no average, and saves its memory",
    )


class Ema:
    """The average of a model's floating-point parameters, by name. Sharded ones (DTensor) are averaged as shards."""

    def __init__(self, parameters: Iterable[tuple[str, nn.Parameter]], decay: float) -> None:
        self._decay, self.updates = decay, 0
        self.weights = {name: parameter.detach().float().clone() for name, parameter in parameters}

    @torch.no_grad()
    def update(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> None:
        """Moves the average towards the weights; quickly at first, so that it forgets where they began."""
        self.updates += 1
        kept = min(self._decay, (1 + self.updates) / (10 + self.updates))
        for name, parameter in parameters:
            if parameter.requires_grad:
                self.weights[name].lerp_(parameter.detach().float(), 1 - kept)

    @torch.no_grad()
    def swap(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> None:
        """Exchanges the average and the weights; a second call undoes it."""
        for name, parameter in parameters:
            weights = parameter.detach().clone()
            parameter.copy_(self.weights[name])
            self.weights[name].copy_(weights)
