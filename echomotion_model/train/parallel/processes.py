"""The processes of a run in torch.distributed, started by torchrun or Ray."""

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
"""Backends of torch.distributed by device type."""
PROCESS_GROUP_TIMEOUT = timedelta(hours=2)
"""Timeout of collectives: long, as the first process may be encoding latents or writing a checkpoint."""


class Processes:
    """A `DistContext` of this process only, or of an initialised process group.

    `rank` and `size` count groups of `ulysses_degree` processes, which split a sample's tokens.
    """

    def __init__(self, config: ParallelConfig, device: torch.device) -> None:
        """UserError if ulysses_degree does not divide the number of processes."""
        self.config, self.device = config, device
        self._all = dist.get_world_size() if dist.is_initialized() else 1
        process = dist.get_rank() if dist.is_initialized() else 0
        self.rank, self.size = process // config.ulysses_degree, config.count_ranks(self._all)
        self.devices, self.main = self._all, process == 0
        self.precision = _resolve_precision(config, device)
        self._mesh = init_device_mesh(device.type, (self._all,)) if self._all > 1 else None
        self._sharing = None
        if config.ulysses_degree > 1:
            # Adjacent ranks split a sample: they are on one machine, where communication is fast.
            groups = init_device_mesh(
                device.type, (self.size, config.ulysses_degree), mesh_dim_names=("sample", "sequence")
            )
            self._sharing = Ulysses(groups["sequence"].get_group())

    def wrap_model(self, model: EchoMotionTransformer, shapes: int) -> EchoMotionTransformer:
        """Prepare the model for training, in place; all processes must hold the same float32 weights.

        UserError if ulysses_degree does not divide its heads, or cuDNN's attention is missing on a Hopper GPU.
        """
        self.config.check_heads(model.config.heads)
        check_attention(self.device, self.precision, model.config.head_dim)
        model.compute_dtype = self.precision
        if self._sharing is not None:
            model.set_sharing(self._sharing)
        gpu = self.device.type == "cuda"
        checkpointing = self.config.activation_checkpointing
        if checkpointing == "auto":
            checkpointing = "selective-attention" if gpu else "none"
        compiled = self.config.compile == "always" or (self.config.compile == "auto" and gpu)
        prepare_blocks(
            model, checkpointing=checkpointing, compiled=compiled,
            device=self.device, precision=self.precision, shapes=shapes,
        )  # fmt: skip
        if self._mesh is None:
            return model.to(self.device)
        shard_model(model, self._mesh, self.precision)
        return model

    def sum_over_ranks(self, values: torch.Tensor) -> torch.Tensor:
        """Sum values over ranks; each rank counts once, however many processes it has."""
        if self._all == 1:
            return values
        total = values.detach().clone()
        dist.all_reduce(total)
        return total / self.config.ulysses_degree

    def any_process(self, flag: bool) -> bool:
        if self._all == 1:
            return flag
        flags = torch.tensor([float(flag)])  # on the CPU, to avoid a GPU synchronisation
        dist.all_reduce(flags, dist.ReduceOp.MAX)
        return bool(flags.item())

    def barrier(self) -> None:
        if self._all > 1:
            self.any_process(False)


def get_local_device() -> torch.device:
    """Get this process's GPU, assigned by torchrun or Ray, and make it the current one; or get the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    # Ray makes only a process's own GPUs visible; torchrun all of them, and sets LOCAL_RANK.
    index = int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count()
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


@contextmanager
def join_process_group(device: torch.device) -> Iterator[None]:
    """Join the process group that torchrun has started."""
    dist.init_process_group(BACKENDS[device.type], timeout=PROCESS_GROUP_TIMEOUT)
    try:
        yield
        dist.barrier()  # with gloo, a process that leaves early crashes one that is still sending
    finally:
        dist.destroy_process_group()


def _resolve_precision(config: ParallelConfig, device: torch.device) -> torch.dtype:
    if config.precision == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return getattr(torch, config.precision)
