"""One pass of the model and its loss: a function of the weights, the batch and the numbers that name the draws."""

from dataclasses import dataclass

import torch
from torch import nn

from echomotion_model.diffusion.noising import draw_noise, flow_losses, make_inputs
from echomotion_model.diffusion.tasks import draw_motion_plan, draw_plan
from echomotion_model.motion.layout import TOKENS
from echomotion_model.train.batch import Given
from echomotion_model.train.config import TrainConfig
from echomotion_model.train.world import World


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PassLoss:
    """What a pass gave; all but `loss` summed over ranks."""

    loss: torch.Tensor
    """This rank's share, to go backward from: its mean over the ranks is the loss of the whole batch."""
    video: float | None
    """Mean squared error of the video's velocity over the samples that make it; None where none does."""
    motion: float | None
    samples: int
    """Samples that count, over all ranks."""
    video_tokens: int
    """Of one sample; 0 where video was left out."""
    motion_tokens: int


def pass_loss(
    model: nn.Module, given: Given, null_LE: torch.Tensor, config: TrainConfig, world: World, number: int
) -> PassLoss:
    """The loss of a batch. `number` is the pass's own in the whole run: with the seed it settles tasks, times and
    noise of every sample, whichever rank has it. Motion trains alone where the batch has no video."""
    seed, samples = config.data.seed, len(given.weight_B)
    numbers = range(world.rank, samples * world.size, world.size)
    draw = draw_plan if given.video_BCFHW is not None else draw_motion_plan
    plan = draw(config.tasks, config.flow, seed=seed, step=number, numbers=numbers)
    inputs = make_inputs(
        plan,
        video_BCFHW=given.video_BCFHW if plan.has_video else None,
        motion_BTD=given.motion_BTD if plan.has_motion else None,
        text_BLE=given.text_BLE,
        null_LE=null_LE,
        video_noise_BCFHW=_noise(given.video_BCFHW if plan.has_video else None, "video", seed, number, numbers),
        motion_noise_BTD=_noise(given.motion_BTD if plan.has_motion else None, "motion", seed, number, numbers),
    )
    _, down, across = config.model.patch
    grid_HW = (
        given.bucket.height // config.encoders.stride // down,
        given.bucket.width // config.encoders.stride // across,
    )
    video, motion = model(*inputs.arguments, grid_HW)
    errors_B2 = torch.stack(flow_losses(inputs, video, motion), -1) * given.weight_B[:, None]
    made_B2 = torch.stack([inputs.makes_video_B, inputs.makes_motion_B], -1) * given.weight_B[:, None]
    sums_5 = world.sum(torch.cat([errors_B2.detach().sum(0), made_B2.sum(0), given.weight_B.sum(0, keepdim=True)]))
    weights_2 = torch.tensor([config.loss.video, config.loss.motion], device=errors_B2.device)
    # Ranks' gradients are averaged, and each holds a part of one mean: hence the number of ranks.
    loss = world.size * (weights_2 * errors_B2.sum(0) / sums_5[2:4].clamp_min(1)).sum()
    video_sum, motion_sum, videos, motions, counted = sums_5.tolist()
    latents = inputs.video_BCFHW.shape[2] if inputs.video_BCFHW is not None else 0
    return PassLoss(
        loss=loss,
        video=video_sum / videos if videos else None,
        motion=motion_sum / motions if motions else None,
        samples=round(counted),
        video_tokens=latents * grid_HW[0] * grid_HW[1],
        motion_tokens=TOKENS * inputs.motion_BTD.shape[1] if inputs.motion_BTD is not None else 0,
    )


def _noise(clean: torch.Tensor | None, kind: str, seed: int, number: int, numbers: range) -> torch.Tensor | None:
    if clean is None:
        return None
    return draw_noise(clean.shape[1:], kind, seed=seed, step=number, numbers=numbers).to(clean.device)
