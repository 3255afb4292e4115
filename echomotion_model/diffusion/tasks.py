"""The three tasks, and the random plan of a training step: noised modalities, noise levels, dropped conditions.

| task            | noised        | dropped at `cfg_dropout` each (eqs. 4 to 6)       |
|-----------------|---------------|---------------------------------------------------|
| joint           | video, motion | text                                              |
| motion_to_video | video         | text (`text_dropout`, if set)   ; text and motion |
| video_to_motion | motion        | text always; video                                |

A condition has no noise and time 0. A dropped text is the embedding of ""; a dropped modality is left out, with its
tokens, for the whole batch: a batch with and without it would need two passes of the model, and ranks with different
numbers of passes would deadlock. So the present modalities are drawn once per pass, the same on every rank, and tasks,
texts and noise are drawn per sample, given these; over many steps the rates are those of the table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import torch
from pydantic import Field, model_validator

from echomotion_model.diffusion.flow import FlowConfig, shift_sigma
from echomotion_model.diffusion.rng import make_generator
from humove.config.strict import Strict

# B: samples of a pass


class Task(StrEnum):
    """A generation task."""

    JOINT = "joint"
    MOTION_TO_VIDEO = "motion_to_video"
    VIDEO_TO_MOTION = "video_to_motion"

    @property
    def id(self) -> int:
        """The row of the task embedding."""
        return list(Task).index(self)

    @property
    def makes_video(self) -> bool:
        return self is not Task.VIDEO_TO_MOTION

    @property
    def makes_motion(self) -> bool:
        return self is not Task.MOTION_TO_VIDEO


class TaskConfig(Strict):
    """Rates of the tasks and of dropped conditions."""

    joint: float = Field(0.5, ge=0, le=1, description="share of samples that generate both from text")
    motion_to_video: float = Field(0.25, ge=0, le=1, description="share that generate video from motion")
    video_to_motion: float = Field(0.25, ge=0, le=1, description="share that generate motion from video")
    cfg_dropout: float = Field(
        0.1, ge=0, lt=0.5, description="share of a task's samples in which a condition is dropped, for each of them"
    )
    text_dropout: float | None = Field(
        None, ge=0, le=1, description="the same for the text of motion_to_video, with the motion kept. In a small "
        "data set each text identifies a clip, and a model that mostly has the text can ignore the motion",
    )  # fmt: skip

    @model_validator(mode="after")
    def _check_shares(self) -> Self:
        total = self.joint + self.motion_to_video + self.video_to_motion
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the shares of the tasks add up to {total:g}, not 1")
        if self.cfg_dropout + (self.text_dropout or 0) > 1:
            raise ValueError(
                f"cfg_dropout {self.cfg_dropout:g} and text_dropout {self.text_dropout:g} exceed 1 together"
            )
        return self


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TaskPlan:
    """The tasks, noise levels and dropped inputs of the B samples of one pass."""

    task_B: torch.Tensor
    """(B,) int64, `Task.id`"""
    has_video: bool
    has_motion: bool
    has_text_B: torch.Tensor
    """(B,) bool; False: the text is replaced by the null text"""
    video_sigma_B: torch.Tensor
    """(B,) float32; 0 where the video is a condition or left out"""
    motion_sigma_B: torch.Tensor
    """(B,) float32; 0 where the motion is a condition or left out"""
    makes_video_B: torch.Tensor
    """(B,) bool: the video is noised, and its velocity counts in the loss"""
    makes_motion_B: torch.Tensor
    """(B,) bool: the motion is noised, and its velocity counts in the loss"""


def draw_plan(tasks: TaskConfig, flow: FlowConfig, *, seed: int, step: int, numbers: Sequence[int]) -> TaskPlan:
    """Draw the plan of one pass of paired training.

    `numbers` are the samples' indices in the whole step, over all ranks. The draws depend on these, the step and the
    seed only.
    """
    value = float(torch.rand((), generator=make_generator("present", seed, step, 0)))
    has_video, has_motion = _choose_modalities(tasks, value)
    choice_B3 = _draw_uniform(seed, step, numbers)
    drawn = [_choose_task(tasks, has_video, has_motion, float(value)) for value in choice_B3[:, 0]]
    has_text_B = choice_B3[:, 1] >= _compute_text_dropout(tasks, drawn, has_motion)
    return _build_plan(drawn, flow, choice_B3[:, 2], has_text_B, has_video, has_motion)


def draw_motion_plan(tasks: TaskConfig, flow: FlowConfig, *, seed: int, step: int, numbers: Sequence[int]) -> TaskPlan:
    """Draw the plan of one pass over motion alone (phase 1): the joint task without video."""
    choice_B3 = _draw_uniform(seed, step, numbers)
    drawn = [Task.JOINT] * len(numbers)
    return _build_plan(drawn, flow, choice_B3[:, 2], choice_B3[:, 1] >= tasks.cfg_dropout, False, True)


def _draw_uniform(seed: int, step: int, numbers: Sequence[int]) -> torch.Tensor:
    """Draw (B, 3) in [0, 1): for the task, the text dropout and the noise."""
    return torch.stack([torch.rand(3, generator=make_generator("plan", seed, step, number)) for number in numbers])


def _choose_modalities(tasks: TaskConfig, value: float) -> tuple[bool, bool]:
    """Return whether video and motion are present."""
    without_motion = tasks.cfg_dropout * tasks.motion_to_video
    without_video = tasks.cfg_dropout * tasks.video_to_motion
    if value < without_motion:
        return True, False
    return value >= without_motion + without_video, True


def _choose_task(tasks: TaskConfig, has_video: bool, has_motion: bool, value: float) -> Task:
    """Return a sample's task, given the present modalities."""
    if not has_motion:
        return Task.MOTION_TO_VIDEO
    if not has_video:
        return Task.VIDEO_TO_MOTION
    kept = 1 - tasks.cfg_dropout
    shares = tasks.joint, tasks.motion_to_video * kept, tasks.video_to_motion * kept
    value *= sum(shares)
    if value < shares[0]:
        return Task.JOINT
    return Task.MOTION_TO_VIDEO if value < shares[0] + shares[1] else Task.VIDEO_TO_MOTION


def _compute_text_dropout(tasks: TaskConfig, drawn: Sequence[Task], has_motion: bool) -> torch.Tensor:
    """Return (B,) probabilities that the text is dropped, given the task and the present modalities."""
    text_only = tasks.cfg_dropout if tasks.text_dropout is None else tasks.text_dropout
    chance = {
        Task.JOINT: tasks.cfg_dropout,
        # `text_only` is a share of all samples of the task, of which 1 - cfg_dropout have their motion.
        Task.MOTION_TO_VIDEO: text_only / (1 - tasks.cfg_dropout) if has_motion else 1.0,
        Task.VIDEO_TO_MOTION: 1.0,
    }
    return torch.tensor([chance[task] for task in drawn])


def _build_plan(
    drawn: Sequence[Task],
    flow: FlowConfig,
    u_B: torch.Tensor,
    has_text_B: torch.Tensor,
    has_video: bool,
    has_motion: bool,
) -> TaskPlan:
    sigma_B = 1 - u_B  # in (0, 1]: a generated modality always has noise
    makes_video_B = torch.tensor([has_video and task.makes_video for task in drawn])
    makes_motion_B = torch.tensor([has_motion and task.makes_motion for task in drawn])
    return TaskPlan(
        task_B=torch.tensor([task.id for task in drawn]),
        has_video=has_video,
        has_motion=has_motion,
        has_text_B=has_text_B,
        video_sigma_B=torch.where(makes_video_B, shift_sigma(sigma_B, flow.video_shift), 0.0),
        motion_sigma_B=torch.where(makes_motion_B, shift_sigma(sigma_B, flow.motion_shift), 0.0),
        makes_video_B=makes_video_B,
        makes_motion_B=makes_motion_B,
    )
