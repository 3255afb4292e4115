"""All of a run that a checkpoint holds: as tensors by name, and as plain figures."""

from collections.abc import Iterable

import torch
from torch import nn

from echomotion_model.train.ema import Ema


def named(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Every parameter by its name."""
    return list(model.named_parameters())


def checkpoint_tensors(
    model: nn.Module, ema: Ema | None, optimizer: torch.optim.Optimizer | None
) -> dict[str, torch.Tensor]:
    """The very tensors, to be saved, or to be loaded into: `model.NAME`, `ema.NAME`, `optimizer.NAME.MOMENT`."""
    parameters = named(model)
    tensors = {f"model.{name}": parameter.detach() for name, parameter in parameters}
    if ema is not None:
        tensors |= {f"ema.{name}": weights for name, weights in ema.weights.items()}
    if optimizer is not None:
        tensors |= _moments(optimizer, parameters)
    return tensors


def _moments(
    optimizer: torch.optim.Optimizer, parameters: Iterable[tuple[str, nn.Parameter]]
) -> dict[str, torch.Tensor]:
    return {
        f"optimizer.{name}.{moment}": value
        for name, parameter in parameters
        if parameter in optimizer.state
        for moment, value in optimizer.state[parameter].items()
    }
