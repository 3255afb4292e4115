"""How blocks run: activation checkpointing, compilation and the attention kernel."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Literal

import torch
from torch import nn
from torch._dynamo.exc import FailOnRecompileLimitHit
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

from echomotion_model.model.block import Block
from echomotion_model.train.parallel.attention import select_attention_kernel
from humove.errors import UserError

Checkpointing = Literal["full", "selective-attention", "selective-projections", "selective-products", "none"]

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
    checkpointing: Checkpointing,
    compiled: bool,
    device: torch.device,
    precision: torch.dtype,
    shapes: int,
    backend: str = "inductor",
) -> None:
    """Set how the model's blocks run, in place; names of parameters do not change. Compiled blocks support `shapes`
    input shapes, all blocks together, and raise UserError beyond.

    This replaces the forward function of each block, inside its hooks: FSDP gathers a block's weights before it runs,
    and before the backward pass recomputes parts of it.
    """
    kernel = partial(select_attention_kernel, device, precision)
    # One function for all blocks, so that it is compiled once, not for each block.
    run = make_block_runner(
        Block.forward, checkpointing=checkpointing, compiled=compiled, kernel=kernel, shapes=shapes, backend=backend
    )
    for block in model.blocks:
        block.forward = partial(run, block)


def make_block_runner(
    function: Callable,
    *,
    checkpointing: Checkpointing,
    compiled: bool,
    kernel: Callable[[], AbstractContextManager],
    shapes: int,
    backend: str = "inductor",
) -> Callable:
    """Wrap `function(block, ...)` with the attention kernel and activation checkpointing.

    If compiled, it raises UserError at more than `shapes` input shapes.
    """
    if compiled:
        _raise_compile_limits(shapes)
        # The kernel is chosen once, during tracing; recomputation is part of the compiled code.
        run = function if checkpointing == "none" else _wrap_checkpointing(function, checkpointing)
        return partial(
            _run_with_kernel, kernel, partial(_run_compiled, torch.compile(run, backend=backend, dynamic=False))
        )
    # Without compilation the kernel must be chosen again when the attention is recomputed.
    run = partial(_run_with_kernel, kernel, function)
    return run if checkpointing == "none" else _wrap_checkpointing(run, checkpointing)


def _raise_compile_limits(shapes: int) -> None:
    """Allow compilation for more shapes. Beyond PyTorch's default limits, which a data set's buckets and modalities
    exceed, everything would silently run uncompiled."""
    limits = torch._dynamo.config
    limits.recompile_limit += shapes
    limits.accumulated_recompile_limit += shapes
    limits.fail_on_recompile_limit_hit = True


def _run_compiled(function: Callable, *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except FailOnRecompileLimitHit as error:
        raise UserError(
            f"the model's blocks were compiled for {torch._dynamo.config.recompile_limit} input shapes, the most that "
            "data.buckets allows, and got another; set parallel.compile=never"
        ) from error


def _run_with_kernel(kernel: Callable[[], AbstractContextManager], function: Callable, *arguments: Any) -> Any:
    with kernel():
        return function(*arguments)


def _wrap_checkpointing(function: Callable, checkpointing: Checkpointing) -> Callable:
    contexts = partial(create_selective_checkpoint_contexts, partial(_choose_policy, checkpointing))

    def run(block: nn.Module, *arguments: Any) -> Any:
        def forward(*inner: Any) -> Any:
            return function(block, *inner)

        return checkpoint(forward, *arguments, use_reentrant=False, preserve_rng_state=False, context_fn=contexts)

    return run


def _choose_policy(
    checkpointing: Checkpointing, context: Any, op: Any, *arguments: Any, **named: Any
) -> CheckpointPolicy:
    saved = (op in ATTENTION and checkpointing != "full") or (
        op in PRODUCTS and _saves_product(checkpointing, arguments)
    )
    return CheckpointPolicy.MUST_SAVE if saved else CheckpointPolicy.PREFER_RECOMPUTE


def _saves_product(checkpointing: Checkpointing, arguments: tuple[Any, ...]) -> bool:
    if checkpointing != "selective-projections":
        return checkpointing == "selective-products"
    rows, columns = arguments[-1].shape  # of the right matrix: in, out
    return columns <= rows
