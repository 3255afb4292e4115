"""FSDP2: every rank holds a shard of each weight, its gradient and its optimizer state.

There are two kinds of parameter groups. Each block is one, gathered when needed in the activations' dtype: its layers
cast their weights to it anyway, and gathering float32 would double the traffic. All parameters that Wan keeps in
float32 (modulation tables, norms, time embedder, the motion's input and output layers), and the few outside the blocks,
form one outer group, gathered in float32 for the whole pass. FSDP2's mixed precision has one dtype per group and would
cast those too; it also casts inputs, such as rotary tables, unless disabled.

The outer group is resharded after the forward pass too. FSDP2 would keep it for the backward pass, and if none follows,
as in sampling, the model's parameters would no longer be the optimizer's.
"""

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import Shard

from echomotion_model.model.layers import is_always_float32


def shard_model(model: nn.Module, mesh: DeviceMesh, precision: torch.dtype) -> None:
    """Shard the float32 model over a one-dimensional mesh, in place, on the mesh's device.

    All ranks must hold the same weights. Gradients are averaged over the mesh, in float32.
    """
    narrow = MixedPrecisionPolicy(param_dtype=precision, reduce_dtype=torch.float32, cast_forward_inputs=False)
    full = MixedPrecisionPolicy(reduce_dtype=torch.float32, cast_forward_inputs=False)

    def choose_placement(parameter: nn.Parameter) -> Shard:
        return Shard(_choose_shard_dim(parameter.shape, mesh.size()))

    # The outer group first: it takes parameters out of the blocks, and FSDP ignores those inside sharded modules.
    in_blocks = {
        parameter
        for name, parameter in model.named_parameters()
        if name.startswith("blocks.") and not is_always_float32(name)
    }
    fully_shard(
        model,
        mesh=mesh,
        mp_policy=full,
        ignored_params=in_blocks,
        shard_placement_fn=choose_placement,
        reshard_after_forward=True,
    )
    for block in model.blocks:
        taken = {parameter for name, parameter in block.named_parameters() if is_always_float32(name)}
        fully_shard(block, mesh=mesh, mp_policy=narrow, ignored_params=taken, shard_placement_fn=choose_placement)
    # FSDP2 determines a group's dtypes once, at its first pass, from the parameters that train then, and has no public
    # call for it. A block that is frozen in phase 1 would have none in phase 2, so do it while all parameters train.
    model._get_fsdp_state()._lazy_init()


def _choose_shard_dim(shape: torch.Size, ranks: int) -> int:
    """Choose the first dimension that the ranks divide, so that each rank gets a shard."""
    return next((dim for dim, size in enumerate(shape) if size % ranks == 0), 0)
