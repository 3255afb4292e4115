"""The model's inputs and targets for a plan, and its loss."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from echomotion_model.diffusion.flow import TIMESTEPS, add_noise, compute_velocity
from echomotion_model.diffusion.rng import draw_normal
from echomotion_model.diffusion.tasks import TaskPlan

# B: samples; C F H W: latent channels, frames, rows, columns; T: motion frames; D: motion features; L E: text


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelInputs:
    """The model's inputs, in the order of its forward, and its targets."""

    video_BCFHW: torch.Tensor | None
    motion_BTD: torch.Tensor | None
    text_BLE: torch.Tensor
    video_time_B: torch.Tensor
    """(B,) 1000 sigma, 0 for a condition"""
    motion_time_B: torch.Tensor
    task_B: torch.Tensor
    video_target_BCFHW: torch.Tensor | None
    motion_target_BTD: torch.Tensor | None
    makes_video_B: torch.Tensor
    makes_motion_B: torch.Tensor

    @property
    def arguments(self) -> tuple[torch.Tensor | None, ...]:
        """The arguments of `EchoMotionTransformer.forward`."""
        return (
            self.video_BCFHW, self.motion_BTD, self.text_BLE, self.video_time_B, self.motion_time_B, self.task_B,
        )  # fmt: skip


def draw_noise(shape: Sequence[int], kind: str, *, seed: int, step: int, numbers: Sequence[int]) -> torch.Tensor:
    """Draw noise (len(numbers), *shape) for the samples of a pass, the same on any number of ranks. kind: "video" or
    "motion"."""
    return draw_normal(shape, [("noise", kind, seed, step, number) for number in numbers])


def make_inputs(
    plan: TaskPlan,
    *,
    video_BCFHW: torch.Tensor | None,
    motion_BTD: torch.Tensor | None,
    text_BLE: torch.Tensor,
    null_LE: torch.Tensor,
    video_noise_BCFHW: torch.Tensor | None,
    motion_noise_BTD: torch.Tensor | None,
) -> ModelInputs:
    """Add noise to the generated modalities of a plan, keep its conditions, and drop what it leaves out.

    Tensors are clean, on one device; `null_LE` is the embedding of "". A modality that the plan leaves out may be
    None, as may its noise.
    """
    device = text_BLE.device
    video_sigma_B, motion_sigma_B = plan.video_sigma_B.to(device), plan.motion_sigma_B.to(device)
    has_text_B11 = plan.has_text_B.to(device)[:, None, None]
    video = plan.has_video and video_BCFHW is not None
    motion = plan.has_motion and motion_BTD is not None
    if (plan.has_video, plan.has_motion) != (video, motion):
        raise ValueError("the plan needs a modality that was not given: pass its clean data and noise")
    return ModelInputs(
        video_BCFHW=add_noise(video_BCFHW, video_noise_BCFHW, video_sigma_B) if video else None,
        motion_BTD=add_noise(motion_BTD, motion_noise_BTD, motion_sigma_B) if motion else None,
        text_BLE=torch.where(has_text_B11, text_BLE, null_LE.to(text_BLE)),
        video_time_B=TIMESTEPS * video_sigma_B,
        motion_time_B=TIMESTEPS * motion_sigma_B,
        task_B=plan.task_B.to(device),
        video_target_BCFHW=compute_velocity(video_BCFHW, video_noise_BCFHW) if video else None,
        motion_target_BTD=compute_velocity(motion_BTD, motion_noise_BTD) if motion else None,
        makes_video_B=plan.makes_video_B.to(device),
        makes_motion_B=plan.makes_motion_B.to(device),
    )


def compute_flow_losses(
    inputs: ModelInputs, video_BCFHW: torch.Tensor | None, motion_BTD: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute each sample's mean squared error of the velocity, video and motion: two (B,) float32, 0 for a condition.

    A step's mean is over the samples that generate the modality, on all ranks: the caller divides by their count.
    """
    return (
        _compute_errors(video_BCFHW, inputs.video_target_BCFHW, inputs.makes_video_B),
        _compute_errors(motion_BTD, inputs.motion_target_BTD, inputs.makes_motion_B),
    )


def _compute_errors(
    predicted: torch.Tensor | None, target: torch.Tensor | None, counts_B: torch.Tensor
) -> torch.Tensor:
    if predicted is None or target is None:
        return torch.zeros(len(counts_B), device=counts_B.device)
    error_B = (predicted.float() - target.float()).square().flatten(1).mean(1)
    return torch.where(counts_B, error_B, 0.0)
