"""Sampling: Euler steps from noise along the guided velocity, for the three tasks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from pydantic import Field

from echomotion_model.diffusion.flow import TIMESTEPS, FlowConfig, sigma_grid
from echomotion_model.diffusion.guidance import Pair, guided
from echomotion_model.diffusion.streams import normal
from echomotion_model.diffusion.tasks import Task
from humove.config import Strict

# B: samples; C F H W: latent channels, frames, rows, columns; T: motion frames; D: motion features; L E: text


class SamplingConfig(Strict):
    """How samples are made."""

    steps: int = Field(50, ge=1, description="Euler steps")
    w1: float = Field(6.0, allow_inf_nan=False, description="guidance by the text; 1 is none")
    w2: float = Field(
        1.0, allow_inf_nan=False, description="guidance by the given video or motion; 1 is none (the paper gives none)"
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawn:
    """What was sampled, float32; None where it was not asked for. A condition is returned as it was given."""

    video_BCFHW: torch.Tensor | None
    motion_BTD: torch.Tensor | None


@torch.no_grad()
def sample(
    model: Callable[..., Pair],
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
) -> Drawn:
    """Samples of a task, one a row of its text or condition (or `batch` of them where there is neither).

    - joint: from `text_BLE`; makes `video_shape` (C, F, H, W) and `motion_shape` (T, D). With one of the shapes left
      out, motion alone (what phase 1 trains) or video alone is made.
    - motion_to_video: from `text_BLE` and `motion_BTD`; makes `video_shape`.
    - video_to_motion: from `video_BCFHW`; makes `motion_shape`. It sees no text.

    `model` is called as EchoMotionTransformer.forward, with inputs of `dtype`, on the device of `null_LE` (the
    embedding of ""). Where a pass has no video (motion alone, and video_to_motion with a w2 other than 1) a model that
    needs the video's token grid must be given it by the caller: wrap it. The noise of row i depends on the seed and i.
    `on_step` is told the number of steps done.
    ValueError where what the task needs was not given, or is of no use to it.
    """
    sampling, flow = sampling or SamplingConfig(), flow or FlowConfig()
    _check(task, text_BLE, video_BCFHW, motion_BTD, video_shape, motion_shape)
    given = next((each for each in (text_BLE, video_BCFHW, motion_BTD) if each is not None), None)
    number = len(given) if given is not None else batch or 1
    device = null_LE.device
    null_BLE = null_LE.to(dtype).expand(number, *null_LE.shape)
    seen_BLE = null_BLE if text_BLE is None else text_BLE.to(device, dtype)
    task_B = torch.full((number,), task.id, device=device)
    video = _start(video_BCFHW, video_shape, "video", seed, number, device)
    motion = _start(motion_BTD, motion_shape, "motion", seed, number, device)
    video_sigmas = sigma_grid(sampling.steps, flow.video_shift).tolist()
    motion_sigmas = sigma_grid(sampling.steps, flow.motion_shift).tolist()
    for step in range(sampling.steps):
        video_time_B = _time(video_sigmas[step] if task.makes_video else 0.0, number, device)
        motion_time_B = _time(motion_sigmas[step] if task.makes_motion else 0.0, number, device)

        def u(
            video: torch.Tensor | None, motion: torch.Tensor | None, text: bool,
            times: tuple[torch.Tensor, torch.Tensor] = (video_time_B, motion_time_B),
        ) -> Pair:  # fmt: skip
            state = (None if each is None else each.to(dtype) for each in (video, motion))
            return model(*state, seen_BLE if text else null_BLE, *times, task_B)

        video_velocity, motion_velocity = guided(task, u, video, motion, sampling.w1, sampling.w2)
        if video_velocity is not None:
            video = video + (video_sigmas[step + 1] - video_sigmas[step]) * video_velocity
        if motion_velocity is not None:
            motion = motion + (motion_sigmas[step + 1] - motion_sigmas[step]) * motion_velocity
        if on_step:
            on_step(step + 1)
    return Drawn(video_BCFHW=video, motion_BTD=motion)


def _start(
    given: torch.Tensor | None, shape: Sequence[int] | None, kind: str, seed: int, number: int, device: torch.device
) -> torch.Tensor | None:
    """The state at sigma 1, the condition, or nothing."""
    if given is not None:
        return given.to(device, torch.float32)
    if shape is None:
        return None
    return normal(shape, [("sample", kind, seed, row) for row in range(number)]).to(device)


def _time(sigma: float, number: int, device: torch.device) -> torch.Tensor:
    return torch.full((number,), TIMESTEPS * sigma, device=device)


def _check(
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
    if spare := given - useful:
        raise ValueError(f"{task} has no use for {', '.join(sorted(spare))}: leave it out")
    if not given & {"video_shape", "motion_shape"}:
        raise ValueError(f"{task} needs video_shape, motion_shape or both")


_NEEDS = {
    Task.JOINT: (set(), {"text", "video_shape", "motion_shape"}),
    Task.MOTION_TO_VIDEO: ({"motion", "video_shape"}, {"text", "motion", "video_shape"}),
    Task.VIDEO_TO_MOTION: ({"video", "motion_shape"}, {"video", "motion_shape"}),
}
"""What a task must be given, and what it may be given."""
