"""Sampling: Euler steps from noise along the guided velocity, for the three tasks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from pydantic import Field

from echomotion_model.diffusion.flow import TIMESTEPS, FlowConfig, build_sigma_grid
from echomotion_model.diffusion.guidance import VelocityPair, compute_guided_velocity
from echomotion_model.diffusion.rng import draw_normal
from echomotion_model.diffusion.tasks import Task
from humove.config.strict import Strict

# B: samples; C F H W: latent channels, frames, rows, columns; T: motion frames; D: motion features; L E: text


class SamplingConfig(Strict):
    """Settings of the sampler."""

    steps: int = Field(50, ge=1, description="Euler steps")
    text_guidance_scale: float = Field(6.0, allow_inf_nan=False, description="guidance by the text; 1 is none")
    condition_guidance_scale: float = Field(
        1.0, allow_inf_nan=False, description="guidance by the given video or motion; 1 is none (the paper gives none)"
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SampleOutput:
    """A sampled batch, float32; None for a modality that was not requested. A condition is returned unchanged."""

    video_BCFHW: torch.Tensor | None
    motion_BTD: torch.Tensor | None


@torch.no_grad()
def draw_samples(
    model: Callable[..., VelocityPair],
    task: Task,
    *,
    null_LE: torch.Tensor,
    text_BLE: torch.Tensor | None = None,
    video_BCFHW: torch.Tensor | None = None,
    motion_BTD: torch.Tensor | None = None,
    video_shape: Sequence[int] | None = None,
    motion_shape: Sequence[int] | None = None,
    batch: int | None = None,
    seed: int = 0,
    sampling: SamplingConfig | None = None,
    flow: FlowConfig | None = None,
    dtype: torch.dtype = torch.float32,
    on_step: Callable[[int], None] | None = None,
) -> SampleOutput:
    """Draw samples of a task, one per row of its text or condition (or `batch` of them if there is neither).

    - joint: `text_BLE` to `video_shape` (C, F, H, W) and `motion_shape` (T, D). With one of the shapes left out, only
      motion (as phase 1 trains) or only video is generated.
    - motion_to_video: `text_BLE` and `motion_BTD` to `video_shape`.
    - video_to_motion: `video_BCFHW` to `motion_shape`, without text.

    `model` is called as EchoMotionTransformer.forward, with inputs of `dtype`, on the device of `null_LE` (the
    embedding of ""). In passes without video (motion alone, and video_to_motion with a condition_guidance_scale
    other than 1) the caller must bind the video's token grid if the model needs it. The noise of row i depends on the
    seed and i. `on_step` gets the number of steps done.
    ValueError if an input of the task is missing, or if it does not use one that was given.
    """
    sampling, flow = sampling or SamplingConfig(), flow or FlowConfig()
    _check_inputs(task, text_BLE, video_BCFHW, motion_BTD, video_shape, motion_shape)
    given = next((each for each in (text_BLE, video_BCFHW, motion_BTD) if each is not None), None)
    number = len(given) if given is not None else batch or 1
    device = null_LE.device
    null_BLE = null_LE.to(dtype).expand(number, *null_LE.shape)
    text_BLE = null_BLE if text_BLE is None else text_BLE.to(device, dtype)
    task_B = torch.full((number,), task.id, device=device)
    video = _init_state(video_BCFHW, video_shape, "video", seed, number, device)
    motion = _init_state(motion_BTD, motion_shape, "motion", seed, number, device)
    video_sigmas = build_sigma_grid(sampling.steps, flow.video_shift).tolist()
    motion_sigmas = build_sigma_grid(sampling.steps, flow.motion_shift).tolist()
    for step in range(sampling.steps):
        video_time_B = _fill_time(video_sigmas[step] if task.makes_video else 0.0, number, device)
        motion_time_B = _fill_time(motion_sigmas[step] if task.makes_motion else 0.0, number, device)

        def predict_velocity(
            video: torch.Tensor | None, motion: torch.Tensor | None, text: bool,
            times: tuple[torch.Tensor, torch.Tensor] = (video_time_B, motion_time_B),
        ) -> VelocityPair:  # fmt: skip
            state = (None if each is None else each.to(dtype) for each in (video, motion))
            return model(*state, text_BLE if text else null_BLE, *times, task_B)

        video_velocity, motion_velocity = compute_guided_velocity(
            task, predict_velocity, video, motion, sampling.text_guidance_scale, sampling.condition_guidance_scale
        )
        if video_velocity is not None:
            video = video + (video_sigmas[step + 1] - video_sigmas[step]) * video_velocity
        if motion_velocity is not None:
            motion = motion + (motion_sigmas[step + 1] - motion_sigmas[step]) * motion_velocity
        if on_step:
            on_step(step + 1)
    return SampleOutput(video_BCFHW=video, motion_BTD=motion)


def _init_state(
    given: torch.Tensor | None, shape: Sequence[int] | None, kind: str, seed: int, number: int, device: torch.device
) -> torch.Tensor | None:
    """Return the state at sigma 1, the condition, or None."""
    if given is not None:
        return given.to(device, torch.float32)
    if shape is None:
        return None
    return draw_normal(shape, [("sample", kind, seed, row) for row in range(number)]).to(device)


def _fill_time(sigma: float, number: int, device: torch.device) -> torch.Tensor:
    return torch.full((number,), TIMESTEPS * sigma, device=device)


def _check_inputs(
    task: Task,
    text_BLE: torch.Tensor | None,
    video_BCFHW: torch.Tensor | None,
    motion_BTD: torch.Tensor | None,
    video_shape: Sequence[int] | None,
    motion_shape: Sequence[int] | None,
) -> None:
    given = {
        name for name, each in (
            ("text", text_BLE), ("video", video_BCFHW), ("motion", motion_BTD),
            ("video_shape", video_shape), ("motion_shape", motion_shape),
        ) if each is not None
    }  # fmt: skip
    needed, useful = _NEEDS[task]
    if missing := needed - given:
        raise ValueError(f"{task} needs {', '.join(sorted(missing))}")
    if unused := given - useful:
        raise ValueError(f"{task} does not use {', '.join(sorted(unused))}: leave it out")
    if not given & {"video_shape", "motion_shape"}:
        raise ValueError(f"{task} needs video_shape, motion_shape or both")


_NEEDS = {
    Task.JOINT: (set(), {"text", "video_shape", "motion_shape"}),
    Task.MOTION_TO_VIDEO: ({"motion", "video_shape"}, {"text", "motion", "video_shape"}),
    Task.VIDEO_TO_MOTION: ({"video", "motion_shape"}, {"video", "motion_shape"}),
}
"""Inputs that a task requires, and inputs that it accepts."""
