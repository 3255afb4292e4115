"""Low-rank adapters (LoRA): a few trained weights beside each matrix of a frozen model."""

import math

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional as F

from echomotion_model.diffusion.rng import make_generator
from humove.config.strict import Strict
from humove.errors import UserError

_FULLY_TRAINED = ("motion_", "task_embedder.")
"""Prefixes of the names of parameters that train without adapters."""


class LoraConfig(Strict):
    """Adapters beside the linear layers whose name ends with one of `targets`.

    The adapters and the motion's input and output layers, which have no pretrained weights, train; the rest is frozen.
    """

    rank: int = Field(0, ge=0, description="rank of each adapter; 0: no adapters, all weights train")
    alpha: float = Field(16.0, gt=0, allow_inf_nan=False, description="the adapter's output is scaled by alpha / rank")
    targets: tuple[str, ...] = Field(
        ("to_q", "to_k", "to_v", "to_out.0", "ffn.net.0.proj", "ffn.net.2"), description="suffixes of layers' names"
    )


class LoraLinear(nn.Linear):
    """A linear layer with an adapter. Its weight and bias keep their names, so that checkpoints' keys match."""

    def __init__(self, layer: nn.Linear, rank: int, alpha: float, generator: torch.Generator) -> None:
        super().__init__(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
        self.weight, self.bias = layer.weight, layer.bias
        down = torch.empty(rank, layer.in_features)
        nn.init.kaiming_uniform_(down, a=math.sqrt(5), generator=generator)
        self.lora_down = nn.Parameter(down.to(layer.weight))
        self.lora_up = nn.Parameter(torch.zeros(layer.out_features, rank).to(layer.weight))
        self.scale = alpha / rank

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        plain = F.linear(x, self.weight.to(x.dtype), None if self.bias is None else self.bias.to(x.dtype))
        return plain + self.scale * F.linear(F.linear(x, self.lora_down.to(x.dtype)), self.lora_up.to(x.dtype))

    def merge_adapter(self) -> nn.Linear:
        """Return a plain layer with the same output."""
        layer = nn.Linear(self.in_features, self.out_features, self.bias is not None, device="meta")
        weight = self.weight.detach().float() + self.scale * self.lora_up.detach().float() @ self.lora_down.float()
        layer.weight, layer.bias = nn.Parameter(weight.to(self.weight)), self.bias
        return layer


def add_lora(model: nn.Module, config: LoraConfig, seed: int) -> nn.Module:
    """Add adapters to the targets and freeze Wan's weights, in place. UserError if no layer is a target."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(_FULLY_TRAINED))
    targets = [
        (name, layer)
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear) and any(f".{name}".endswith(f".{end}") for end in config.targets)
    ]
    if not targets:
        raise UserError(f"lora.targets: no layer of the model ends in {', '.join(config.targets)}")
    for name, layer in targets:
        _replace_layer(model, name, LoraLinear(layer, config.rank, config.alpha, make_generator("lora", seed, name)))
    return model


def merge_lora(model: nn.Module) -> nn.Module:
    """Merge the adapters into the weights, in place."""
    for name, layer in list(model.named_modules()):
        if isinstance(layer, LoraLinear):
            _replace_layer(model, name, layer.merge_adapter())
    return model


def _replace_layer(model: nn.Module, name: str, layer: nn.Module) -> None:
    owner, _, last = name.rpartition(".")
    setattr(model.get_submodule(owner), last, layer)
