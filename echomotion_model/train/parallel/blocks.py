"""How a block is run: what of it is kept for the backward pass, whether it is compiled, and by which attention."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import torch
from torch import nn
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

from echomotion_model.model.block import Block
from echomotion_model.train.parallel.attention import attention_kernel

Keep = Literal["nothing", "attention", "projections", "products", "everything"]

_aten = torch.ops.aten
ATTENTION = {
    _aten._scaled_dot_product_cudnn_attention.default,
    _aten._scaled_dot_product_flash_attention.default,
    _aten._scaled_dot_product_efficient_attention.default,
    _aten._scaled_dot_product_flash_attention_for_cpu.default,
}
PRODUCTS = {_aten.mm.default, _aten.addmm.default}
COMPILED_SHAPES = 64
"""How many shapes of input a block is compiled for; PyTorch's own limit of 8 is less than the buckets of a data set
times what may be absent, and beyond it everything would quietly run uncompiled."""


def prepare_blocks(
    model: nn.Module,
    *,
    keep: Keep,
    compiled: bool,
    device: torch.device,
    precision: torch.dtype,
    backend: str = "inductor",
) -> None:
    """Makes the model's blocks run so from now on; names of parameters stay as they are.

    What is changed is the forward function of each block, within its hooks: where FSDP shards a block, its weights are
    gathered before this runs, and before the backward pass runs parts of it again.
    """
    run = Block.forward if keep == "everything" else _checkpointed(keep)
    if compiled:
        torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, COMPILED_SHAPES)
        # One function for all blocks, so that it is compiled once and not once a block.
        run = torch.compile(run, backend=backend, dynamic=False)
    for block in model.blocks:
        block.forward = partial(_within_kernel, run, device, precision, block)


def _within_kernel(run: Callable, device: torch.device, precision: torch.dtype, *arguments: Any) -> Any:
    with attention_kernel(device, precision):
        return run(*arguments)


def _checkpointed(keep: Keep) -> Callable:
    contexts = partial(create_selective_checkpoint_contexts, partial(_policy, keep))

    def run(block: Block, *arguments: Any) -> Any:
        def forward(*inner: Any) -> Any:
            return Block.forward(block, *inner)

        return checkpoint(forward, *arguments, use_reentrant=False, preserve_rng_state=False, context_fn=contexts)

    return run


def _policy(keep: Keep, context: Any, op: Any, *arguments: Any, **named: Any) -> CheckpointPolicy:
    kept = (op in ATTENTION and keep != "nothing") or (op in PRODUCTS and _keeps_product(keep, arguments))
    return CheckpointPolicy.MUST_SAVE if kept else CheckpointPolicy.PREFER_RECOMPUTE


def _keeps_product(keep: Keep, arguments: tuple[Any, ...]) -> bool:
    if keep != "projections":
        return keep == "products"
    rows, columns = arguments[-1].shape  # the matrix on the right: in by out
    return columns <= rows
