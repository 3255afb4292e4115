"""What the weights are before anything is loaded or learned."""

import torch
from torch import nn


@torch.no_grad()
def start_weights(model: nn.Module) -> None:
    """Wan's own start for all of it, then each motion branch as a copy of its video branch.

    Both heads and the task's embedding start as zeros: the first velocities are zeros, and tasks make no difference.
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            if name.startswith("condition_embedder.") and not name.endswith("time_proj"):
                nn.init.normal_(module.weight, std=0.02)
            else:
                nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
    nn.init.xavier_uniform_(model.patch_embedding.weight.flatten(1))
    nn.init.zeros_(model.patch_embedding.bias)
    nn.init.normal_(model.scale_shift_table, std=model.config.dim**-0.5)
    last = [model.proj_out, model.task_embedder.linear_2, *(mlp[2] for mlp in model.motion_out.groups.values())]
    for module in last:
        nn.init.zeros_(module.weight)
        nn.init.zeros_(module.bias)
    start_motion_from_video(model)


@torch.no_grad()
def start_motion_from_video(model: nn.Module) -> None:
    """Every motion branch, and the motion head's modulation, as a copy of the video's."""
    for block in model.blocks:
        if block.motion is not None:
            for name, parameter in block.motion.named_parameters():
                parameter.copy_(block.get_parameter(name))
    model.motion_scale_shift_table.copy_(model.scale_shift_table)
