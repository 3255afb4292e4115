"""FSDP2: every rank holds a part of each weight, of its gradient and of the optimizer's state.

There are two kinds of groups of weights. Each block is one, gathered as it is needed, in the type of the tokens: that
is what its layers would take their weights to anyway, at twice the traffic. All that Wan wants in float32, wherever it
lies (modulation tables, norms, time embedder, ways of the motion in and out), and the little that lies outside the
blocks, is one more group, gathered in float32 for the whole pass. FSDP2's mixed precision has one type for a group and
would narrow those too; it also casts inputs, rotary tables among them, unless told not to.

That outer group too is let go after a forward pass. FSDP2 would keep it for the backward pass, and where none follows,
as in sampling, the model's parameters would not be the optimizer's any more.
"""

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import Shard

from echomotion_model.model.layers import stays_float32


def shard_model(model: nn.Module, mesh: DeviceMesh, precision: torch.dtype) -> None:
    """Shards the float32 model over a mesh of one dimension, in place, on the mesh's device.

    Every rank must hold the same weights when this is called. Gradients are averaged over the mesh, in float32.
    """
    narrow = MixedPrecisionPolicy(param_dtype=precision, reduce_dtype=torch.float32, cast_forward_inputs=False)
    full = MixedPrecisionPolicy(reduce_dtype=torch.float32, cast_forward_inputs=False)

    def placed(parameter: nn.Parameter) -> Shard:
        return Shard(_cut(parameter.shape, mesh.size()))

    # The outer group first, since it takes weights out of the blocks, and FSDP does not look into what it has sharded.
    in_blocks = {
        parameter
        for name, parameter in model.named_parameters()
        if name.startswith("blocks.") and not stays_float32(name)
    }
    fully_shard(
        model,
        mesh=mesh,
        mp_policy=full,
        ignored_params=in_blocks,
        shard_placement_fn=placed,
        reshard_after_forward=True,
    )
    for block in model.blocks:
        taken = {parameter for name, parameter in block.named_parameters() if stays_float32(name)}
        fully_shard(block, mesh=mesh, mp_policy=narrow, ignored_params=taken, shard_placement_fn=placed)
    # FSDP2 settles a group's types at its first pass, once, by the weights that train then, and has no other way to be
    # told to. A block that phase 1 leaves alone would be left without types for phase 2: so it is done now, while all
    # that will ever train does.
    model._get_fsdp_state()._lazy_init()


def _cut(shape: torch.Size, ranks: int) -> int:
    """The dimension that a weight is cut along: the first that divides by the ranks, so that none is left without."""
    return next((dim for dim, size in enumerate(shape) if size % ranks == 0), 0)
