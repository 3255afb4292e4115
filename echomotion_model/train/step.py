"""One pass of the model and its loss: a function of the weights, the batch, the seed and the pass's number."""

from dataclasses import dataclass

import torch
from torch import nn

from echomotion_model.diffusion.tasks import draw_motion_plan, draw_plan
from echomotion_model.diffusion.training_inputs import compute_flow_losses, draw_noise, make_inputs
from echomotion_model.motion.layout import TOKENS
from echomotion_model.train.config import TrainConfig
from echomotion_model.train.inputs.batch import TrainBatch
from echomotion_model.train.run.dist_context import DistContext


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PassLoss:
    """Results of a pass; all but `loss` are over all ranks."""

    loss: torch.Tensor
    """This rank's share, for the backward pass: its mean over the ranks is the loss of the whole batch."""
    video: float | None
    """Mean squared error of the video's velocity over the samples that generate it; None if none does."""
    motion: float | None
    samples: int
    """Samples of weight 1, over all ranks."""
    video_tokens: int
    """Of one sample; 0 without video."""
    motion_tokens: int


def compute_loss(
    model: nn.Module, batch: TrainBatch, null_LE: torch.Tensor, config: TrainConfig, context: DistContext, number: int
) -> PassLoss:
    """Compute the loss of a batch; without video, of motion only.

    `number` counts the passes of the run. With the seed it determines the task, time and noise of every sample,
    on any number of ranks.
    """
    seed, samples = config.data.seed, len(batch.weight_B)
    numbers = range(context.rank, samples * context.size, context.size)
    draw = draw_plan if batch.video_BCFHW is not None else draw_motion_plan
    plan = draw(config.tasks, config.flow, seed=seed, step=number, numbers=numbers)
    inputs = make_inputs(
        plan,
        video_BCFHW=batch.video_BCFHW if plan.has_video else None,
        motion_BTD=batch.motion_BTD if plan.has_motion else None,
        text_BLE=batch.text_BLE,
        null_LE=null_LE,
        video_noise_BCFHW=_draw_noise(batch.video_BCFHW if plan.has_video else None, "video", seed, number, numbers),
        motion_noise_BTD=_draw_noise(batch.motion_BTD if plan.has_motion else None, "motion", seed, number, numbers),
    )
    _, down, across = config.model.patch
    grid_HW = (
        batch.bucket.height // config.encoders.stride // down,
        batch.bucket.width // config.encoders.stride // across,
    )
    video, motion = model(*inputs.arguments, grid_HW)
    errors_B2 = torch.stack(compute_flow_losses(inputs, video, motion), -1) * batch.weight_B[:, None]
    generated_B2 = torch.stack([inputs.makes_video_B, inputs.makes_motion_B], -1) * batch.weight_B[:, None]
    sums_5 = context.sum_over_ranks(
        torch.cat([errors_B2.detach().sum(0), generated_B2.sum(0), batch.weight_B.sum(0, keepdim=True)])
    )
    weights_2 = torch.tensor([config.loss.video, config.loss.motion], device=errors_B2.device)
    # Gradients are averaged over ranks, and each loss is a share of one mean: hence the factor.
    loss = context.size * (weights_2 * errors_B2.sum(0) / sums_5[2:4].clamp_min(1)).sum()
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


def _draw_noise(clean: torch.Tensor | None, kind: str, seed: int, number: int, numbers: range) -> torch.Tensor | None:
    if clean is None:
        return None
    return draw_noise(clean.shape[1:], kind, seed=seed, step=number, numbers=numbers).to(clean.device)
