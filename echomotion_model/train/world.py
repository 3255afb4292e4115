"""What the loop must know of the processes that it runs in; it does nothing with them by itself."""

from typing import Protocol

import torch
from torch import nn


class World(Protocol):
    """The processes of a run as one of them sees them.

    `rank` and `size` count data-parallel shares: processes that split one sample between them (sequence parallelism)
    are of one rank. Gradients that `wrap`ped models end up with are means over the ranks.
    """

    rank: int
    size: int
    devices: int
    """All processes, each with a device of its own."""
    main: bool
    """Whether this process writes logs and documents; one of all does."""
    device: torch.device

    def wrap(self, model: nn.Module, shapes: int) -> nn.Module:
        """The model as it trains: placed, sharded, compiled for as many shapes of a block's input. Names of parameters
        stay as they are."""
        ...

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The sum over ranks, on every rank."""
        ...

    def any(self, flag: bool) -> bool:
        """Whether any process says so: the same answer in all."""
        ...

    def barrier(self) -> None:
        """Waits for every process."""
        ...


class OneProcess:
    """A run of a single process."""

    rank, size, devices, main = 0, 1, 1, True

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)

    def wrap(self, model: nn.Module, shapes: int) -> nn.Module:
        return model.to(self.device)

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        return values

    def any(self, flag: bool) -> bool:
        return flag

    def barrier(self) -> None:
        return None
