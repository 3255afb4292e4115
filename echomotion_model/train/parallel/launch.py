"""Launch a run in this process, as a process of torchrun, or on Ray. All three call `train`."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from echomotion_model.train.config import TrainConfig
from echomotion_model.train.loop import TrainResult, train
from echomotion_model.train.parallel.on_ray import train_on_ray
from echomotion_model.train.parallel.processes import Processes, get_local_device, join_process_group


def launch(
    config: TrainConfig,
    dataset: str,
    out: Path,
    *,
    motion_only: Sequence[str] = (),
    address: str = "",
    on_metrics: Callable[[int, Mapping[str, float]], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> TrainResult:
    """Call `train` in the required number of processes.

    Under torchrun (or a launcher that sets RANK and WORLD_SIZE), this is one of them. Otherwise they are started on the
    Ray cluster at `address`, or, with several GPUs or `parallel.processes` and no address, on a local Ray; a single
    process is this one. UserError as `train`, and if the cluster cannot be used.
    """
    options = {"motion_only": motion_only, "on_metrics": on_metrics, "say": say}
    if "RANK" in os.environ and "WORLD_SIZE" in os.environ:
        device = get_local_device()
        with join_process_group(device):
            return train(config, dataset, out, context=Processes(config.parallel, device), **options)
    if address or (config.parallel.processes or torch.cuda.device_count()) > 1:
        return train_on_ray(config, dataset, out, address=address, **options)
    return train(config, dataset, out, context=Processes(config.parallel, get_local_device()), **options)
