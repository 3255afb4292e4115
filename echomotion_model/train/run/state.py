"""The tensors of a run that a checkpoint holds, by name."""

from collections.abc import Iterable

import torch
from torch import nn

from echomotion_model.train.ema import Ema


def list_parameters(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """List all parameters with their names."""
    return list(model.named_parameters())


def collect_tensors(
    model: nn.Module, ema: Ema | None, optimizer: torch.optim.Optimizer | None
) -> dict[str, torch.Tensor]:
    """Collect the tensors, not copies, to save or to load into: `model.NAME`, `ema.NAME`, `optimizer.NAME.MOMENT`."""
    parameters = list_parameters(model)
    tensors = {f"model.{name}": parameter.detach() for name, parameter in parameters}
    if ema is not None:
        tensors |= {f"ema.{name}": weights for name, weights in ema.weights.items()}
    if optimizer is not None:
        tensors |= _collect_moments(optimizer, parameters)
    return tensors


def _collect_moments(
    optimizer: torch.optim.Optimizer, parameters: Iterable[tuple[str, nn.Parameter]]
) -> dict[str, torch.Tensor]:
    return {
        f"optimizer.{name}.{moment}": value
        for name, parameter in parameters
        if parameter in optimizer.state
        for moment, value in optimizer.state[parameter].items()
    }
