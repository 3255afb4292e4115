"""Initial weights."""

import torch
from torch import nn


@torch.no_grad()
def init_weights(model: nn.Module) -> None:
    """Initialise all weights as Wan does, then each motion branch as a copy of its video branch.

    Both heads and the task embedding are zeros: the first velocities are zeros and independent of the task.
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
    copy_video_to_motion(model)


@torch.no_grad()
def copy_video_to_motion(model: nn.Module) -> None:
    """Copy the video weights to every motion branch and to the motion head's modulation."""
    for block in model.blocks:
        if block.motion is not None:
            for name, parameter in block.motion.named_parameters():
                parameter.copy_(block.get_parameter(name))
    model.motion_scale_shift_table.copy_(model.scale_shift_table)
