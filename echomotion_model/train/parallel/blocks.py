"""How a block is run: what of it is kept for the backward pass, whether it is compiled, and by which attention."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Literal

import torch
from torch import nn
from torch._dynamo.exc import FailOnRecompileLimitHit
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

from echomotion_model.model.block import Block
from echomotion_model.train.parallel.attention import attention_kernel
from humove.errors import UserError

Keep = Literal["nothing", "attention", "projections", "products", "everything"]

_aten = torch.ops.aten
ATTENTION = {
    _aten._scaled_dot_product_cudnn_attention.default,
    _aten._scaled_dot_product_flash_attention.default,
    _aten._scaled_dot_product_efficient_attention.default,
    _aten._scaled_dot_product_flash_attention_for_cpu.default,
}
PRODUCTS = {_aten.mm.default, _aten.addmm.default}


def prepare_blocks(
    model: nn.Module,
    *,
    keep: Keep,
    compiled: bool,
    device: torch.device,
    precision: torch.dtype,
    shapes: int,
    backend: str = "inductor",
) -> None:
    """Makes the model's blocks run so from now on; names of parameters stay as they are. Compiled blocks are compiled
    for `shapes` shapes of input, all blocks together, and raise UserError beyond.

    What is changed is the forward function of each block, within its hooks: where FSDP shards a block, its weights are
    gathered before this runs, and before the backward pass runs parts of it again.
    """
    kernel = partial(attention_kernel, device, precision)
    # One function for all blocks, so that it is compiled once and not once a block.
    run = block_runner(Block.forward, keep=keep, compiled=compiled, kernel=kernel, shapes=shapes, backend=backend)
    for block in model.blocks:
        block.forward = partial(run, block)


def block_runner(
    function: Callable,
    *,
    keep: Keep,
    compiled: bool,
    kernel: Callable[[], AbstractContextManager],
    shapes: int,
    backend: str = "inductor",
) -> Callable:
    """`function(block, ...)`, attending with `kernel`, of which the backward pass computes again what is not kept.
    Compiled, it raises UserError where it meets more than `shapes` shapes of input."""
    if compiled:
        _allow(shapes)
        # The kernel is settled once, while it is traced; what is computed again is part of what was compiled.
        run = function if keep == "everything" else _checkpointed(function, keep)
        return partial(_within, kernel, partial(_compiled, torch.compile(run, backend=backend, dynamic=False)))
    # Not compiled, it must be settled anew when the attention is computed again.
    run = partial(_within, kernel, function)
    return run if keep == "everything" else _checkpointed(run, keep)


def _allow(shapes: int) -> None:
    """Compiling for so many more shapes. PyTorch's own limits are fewer than the buckets of a data set times what may
    be absent, and beyond them everything would quietly run uncompiled."""
    limits = torch._dynamo.config
    limits.recompile_limit += shapes
    limits.accumulated_recompile_limit += shapes
    limits.fail_on_recompile_limit_hit = True


def _compiled(function: Callable, *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except FailOnRecompileLimitHit as error:
        raise UserError(
            f"the model's blocks were compiled for {torch._dynamo.config.recompile_limit} shapes of input, more than "
            "data.buckets can give, and met another; set parallel.compile=never"
        ) from error


def _within(kernel: Callable[[], AbstractContextManager], function: Callable, *arguments: Any) -> Any:
    with kernel():
        return function(*arguments)


def _checkpointed(function: Callable, keep: Keep) -> Callable:
    contexts = partial(create_selective_checkpoint_contexts, partial(_policy, keep))

    def run(block: nn.Module, *arguments: Any) -> Any:
        def forward(*inner: Any) -> Any:
            return function(block, *inner)

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
