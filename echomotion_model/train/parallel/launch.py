"""Starting a run: in this process, as one of torchrun's, or on Ray. The same function trains in all three."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from echomotion_model.train.config import TrainConfig
from echomotion_model.train.loop import Trained, train
from echomotion_model.train.parallel.on_ray import train_on_ray
from echomotion_model.train.parallel.processes import Processes, local_device, process_group


def launch(
    config: TrainConfig,
    dataset: str,
    out: Path,
    *,
    motion_only: Sequence[str] = (),
    address: str = "",
    on_metrics: Callable[[int, Mapping[str, float]], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> Trained:
    """Trains as `train` does, with as many processes as there should be.

    Started by torchrun (or anything that sets RANK and WORLD_SIZE as it does), this is one of them. Otherwise they are
    started on the Ray cluster at `address`, or, with several GPUs or `parallel.processes` and no address, on a Ray of
    this machine's own; and a single process is this one. UserError as `train`, and where a cluster can't be used.
    """
    told = {"motion_only": motion_only, "on_metrics": on_metrics, "say": say}
    if "RANK" in os.environ and "WORLD_SIZE" in os.environ:
        device = local_device()
        with process_group(device):
            return train(config, dataset, out, world=Processes(config.parallel, device), **told)
    if address or (config.parallel.processes or torch.cuda.device_count()) > 1:
        return train_on_ray(config, dataset, out, address=address, **told)
    return train(config, dataset, out, world=Processes(config.parallel, local_device()), **told)
