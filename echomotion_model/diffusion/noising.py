"""The model's inputs and targets for a plan, and the loss of its answers."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from echomotion_model.diffusion.flow import TIMESTEPS, noised, velocity
from echomotion_model.diffusion.streams import normal
from echomotion_model.diffusion.tasks import Plan

# B: samples; C F H W: latent channels, frames, rows, columns; T: motion frames; D: motion features; L E: text


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inputs:
    """What the model is given, in the order of its forward, and what it should answer."""

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
        """What `EchoMotionTransformer.forward` takes."""
        return (
            self.video_BCFHW, self.motion_BTD, self.text_BLE, self.video_time_B, self.motion_time_B, self.task_B,
        )  # fmt: skip


def draw_noise(shape: Sequence[int], kind: str, *, seed: int, step: int, numbers: Sequence[int]) -> torch.Tensor:
    """Noise (len(numbers), *shape) for the samples of a pass, the same on any number of ranks; `kind` tells video
    from motion."""
    return normal(shape, [("noise", kind, seed, step, number) for number in numbers])


def make_inputs(
    plan: Plan,
    *,
    video_BCFHW: torch.Tensor | None,
    motion_BTD: torch.Tensor | None,
    text_BLE: torch.Tensor,
    null_LE: torch.Tensor,
    video_noise_BCFHW: torch.Tensor | None,
    motion_noise_BTD: torch.Tensor | None,
) -> Inputs:
    """Noises what a plan makes, leaves its conditions as they are, and takes out what it drops.

    Tensors are clean, on one device; `null_LE` is the embedding of "". A modality that the plan leaves out may be
    None, with its noise.
    """
    device = text_BLE.device
    video_sigma_B, motion_sigma_B = plan.video_sigma_B.to(device), plan.motion_sigma_B.to(device)
    sees_text_B11 = plan.sees_text_B.to(device)[:, None, None]
    video = plan.has_video and video_BCFHW is not None
    motion = plan.has_motion and motion_BTD is not None
    if (plan.has_video, plan.has_motion) != (video, motion):
        raise ValueError("the plan wants a modality that was not given: give its clean data and noise")
    return Inputs(
        video_BCFHW=noised(video_BCFHW, video_noise_BCFHW, video_sigma_B) if video else None,
        motion_BTD=noised(motion_BTD, motion_noise_BTD, motion_sigma_B) if motion else None,
        text_BLE=torch.where(sees_text_B11, text_BLE, null_LE.to(text_BLE)),
        video_time_B=TIMESTEPS * video_sigma_B,
        motion_time_B=TIMESTEPS * motion_sigma_B,
        task_B=plan.task_B.to(device),
        video_target_BCFHW=velocity(video_BCFHW, video_noise_BCFHW) if video else None,
        motion_target_BTD=velocity(motion_BTD, motion_noise_BTD) if motion else None,
        makes_video_B=plan.makes_video_B.to(device),
        makes_motion_B=plan.makes_motion_B.to(device),
    )


def flow_losses(
    inputs: Inputs, video_BCFHW: torch.Tensor | None, motion_BTD: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Each sample's mean squared error of the velocity, video and motion: two (B,) float32, 0 where it makes none.

    The mean over a step is over the samples that make the modality, on all ranks: the caller divides by their count.
    """
    return (
        _errors(video_BCFHW, inputs.video_target_BCFHW, inputs.makes_video_B),
        _errors(motion_BTD, inputs.motion_target_BTD, inputs.makes_motion_B),
    )


def _errors(answer: torch.Tensor | None, target: torch.Tensor | None, counts_B: torch.Tensor) -> torch.Tensor:
    if answer is None or target is None:
        return torch.zeros(len(counts_B), device=counts_B.device)
    error_B = (answer.float() - target.float()).square().flatten(1).mean(1)
    return torch.where(counts_B, error_B, 0.0)
