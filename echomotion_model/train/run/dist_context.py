"""The interface between the training loop and the processes of a run."""

from typing import Protocol

import torch
from torch import nn


class DistContext(Protocol):
    """The processes of a run, as seen by one of them.

    `rank` and `size` count data-parallel shares: processes that split the tokens of a sample (sequence parallelism)
    form one rank. Gradients of wrapped models are means over the ranks.
    """

    rank: int
    size: int
    devices: int
    """Number of processes, each with its own device."""
    main: bool
    """Whether this process, as the only one, writes logs and state files."""
    device: torch.device

    def wrap_model(self, model: nn.Module, shapes: int) -> nn.Module:
        """Prepare the model for training: move, shard and compile it, for `shapes` input shapes of a block. Names of
        parameters do not change."""
        ...

    def sum_over_ranks(self, values: torch.Tensor) -> torch.Tensor:
        """Sum values over ranks; every rank gets the sum."""
        ...

    def any_process(self, flag: bool) -> bool:
        """Return whether the flag is true in any process; all get the same answer."""
        ...

    def barrier(self) -> None:
        """Wait for all processes."""
        ...


class SingleProcess:
    """The context of a run of one process."""

    rank, size, devices, main = 0, 1, 1, True

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)

    def wrap_model(self, model: nn.Module, shapes: int) -> nn.Module:
        return model.to(self.device)

    def sum_over_ranks(self, values: torch.Tensor) -> torch.Tensor:
        return values

    def any_process(self, flag: bool) -> bool:
        return flag

    def barrier(self) -> None:
        return None
