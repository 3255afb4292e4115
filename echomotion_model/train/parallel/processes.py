"""The processes of a run, as torch.distributed knows them; they are started by torchrun, or by Ray."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh

from echomotion_model.model.transformer import EchoMotionTransformer
from echomotion_model.train.parallel.attention import check_attention
from echomotion_model.train.parallel.blocks import prepare_blocks
from echomotion_model.train.parallel.config import ParallelConfig
from echomotion_model.train.parallel.fsdp import shard_model
from echomotion_model.train.parallel.ulysses import Ulysses

BACKENDS = {"cpu": "gloo", "cuda": "cpu:gloo,cuda:nccl"}
"""Of torch.distributed, by type of device."""
PATIENCE = timedelta(hours=2)
"""How long processes wait for each other: the first may be encoding latents meanwhile, or writing a checkpoint."""


class Processes:
    """A `World`: this process alone, or one of those of an initialised process group.

    `rank` and `size` count the groups that a sample is split in; with `sequence` 1 these are the processes.
    """

    def __init__(self, config: ParallelConfig, device: torch.device) -> None:
        """UserError where the processes do not divide into groups of `sequence`."""
        self.config, self.device = config, device
        self._all = dist.get_world_size() if dist.is_initialized() else 1
        process = dist.get_rank() if dist.is_initialized() else 0
        self.rank, self.size = process // config.sequence, config.ranks(self._all)
        self.devices, self.main = self._all, process == 0
        self.precision = _precision(config, device)
        self._mesh = init_device_mesh(device.type, (self._all,)) if self._all > 1 else None
        self._sharing = None
        if config.sequence > 1:
            # Neighbours split a sample: they are on one machine, where exchanges are quick.
            groups = init_device_mesh(device.type, (self.size, config.sequence), mesh_dim_names=("sample", "sequence"))
            self._sharing = Ulysses(groups["sequence"].get_group())

    def wrap(self, model: EchoMotionTransformer, shapes: int) -> EchoMotionTransformer:
        """The same model, to be trained by all processes, which must all hold the same weights, in float32.

        UserError where `sequence` does not divide its heads, or cuDNN's attention is missing on a Hopper GPU.
        """
        self.config.check_heads(model.config.heads)
        check_attention(self.device, self.precision, model.config.head_dim)
        model.compute_dtype = self.precision
        if self._sharing is not None:
            model.share(self._sharing)
        gpu = self.device.type == "cuda"
        keep = self.config.keep if self.config.keep != "auto" else "attention" if gpu else "everything"
        compiled = self.config.compile == "always" or (self.config.compile == "auto" and gpu)
        prepare_blocks(model, keep=keep, compiled=compiled, device=self.device, precision=self.precision, shapes=shapes)
        if self._mesh is None:
            return model.to(self.device)
        shard_model(model, self._mesh, self.precision)
        return model

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The sum over ranks, each counted once however many processes it has."""
        if self._all == 1:
            return values
        total = values.detach().clone()
        dist.all_reduce(total)
        return total / self.config.sequence

    def any(self, flag: bool) -> bool:
        if self._all == 1:
            return flag
        said = torch.tensor([float(flag)])  # on the CPU: a GPU's queue need not run dry for it
        dist.all_reduce(said, dist.ReduceOp.MAX)
        return bool(said.item())

    def barrier(self) -> None:
        if self._all > 1:
            self.any(False)


def local_device() -> torch.device:
    """This process's GPU, the one that torchrun or Ray has given it; or the CPU. It is made the current one."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    # Ray shows a process only its own GPUs; torchrun shows all and says which.
    index = int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count()
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


@contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """Joins the processes that torchrun has started with this one."""
    dist.init_process_group(BACKENDS[device.type], timeout=PATIENCE)
    try:
        yield
        dist.barrier()  # one that leaves while another is still sending takes that one down (gloo)
    finally:
        dist.destroy_process_group()


def _precision(config: ParallelConfig, device: torch.device) -> torch.dtype:
    if config.precision == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return getattr(torch, config.precision)
