"""The three tasks, and what a training step draws: who is noised, how much, and what is kept from the model.

| task            | noised        | dropped at `drop` each, by equations 4 to 6    |
|-----------------|---------------|------------------------------------------------|
| joint           | video, motion | text                                           |
| motion_to_video | video         | text (`drop_text`, where set); text and motion |
| video_to_motion | motion        | text always; video                             |

A condition gets no noise, and time 0. A dropped text is the embedding of ""; a dropped modality is left out, with its
tokens, for the whole batch: a batch with and without it would be two passes of the model, and ranks that pass a
different number of times wait for each other for ever. So what is present is drawn once a pass, the same on every
rank, and the tasks, texts and noise for each sample given that; over many steps the rates are those of the table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import torch
from pydantic import Field, model_validator

from echomotion_model.diffusion.flow import FlowConfig, shifted
from echomotion_model.diffusion.streams import stream
from humove.config import Strict

# B: samples of a pass


class Task(StrEnum):
    """What is made of what."""

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
    """How often each task is trained, and how often a condition is dropped."""

    joint: float = Field(0.5, ge=0, le=1, description="share of samples that make both from text")
    motion_to_video: float = Field(0.25, ge=0, le=1, description="share that make video from motion")
    video_to_motion: float = Field(0.25, ge=0, le=1, description="share that make motion from video")
    drop: float = Field(
        0.1, ge=0, lt=0.5, description="share of a task's samples in which a condition is dropped, for each that may be"
    )
    drop_text: float | None = Field(
        None, ge=0, le=1, description="the same for the text of motion_to_video, the motion being kept. Where the "
        "clips are few each text names one, and a model that mostly has it need not look at the motion",
    )  # fmt: skip

    @model_validator(mode="after")
    def _whole(self) -> Self:
        total = self.joint + self.motion_to_video + self.video_to_motion
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the shares of the tasks add up to {total:g}: make it 1")
        if self.drop + (self.drop_text or 0) > 1:
            raise ValueError(f"drop {self.drop:g} and drop_text {self.drop_text:g} add up to more than 1: lower one")
        return self


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """What becomes of the B samples of one pass."""

    task_B: torch.Tensor
    """(B,) int64, `Task.id`"""
    has_video: bool
    has_motion: bool
    sees_text_B: torch.Tensor
    """(B,) bool; false: the text is replaced by the null text"""
    video_sigma_B: torch.Tensor
    """(B,) float32; 0 where the video is a condition or left out"""
    motion_sigma_B: torch.Tensor
    """(B,) float32; 0 where the motion is a condition or left out"""
    makes_video_B: torch.Tensor
    """(B,) bool: the video is noised, and its velocity counts in the loss"""
    makes_motion_B: torch.Tensor
    """(B,) bool: the motion is noised, and its velocity counts in the loss"""


def draw_plan(
    tasks: TaskConfig, flow: FlowConfig, *, seed: int, step: int, numbers: Sequence[int], turn: int = 0
) -> Plan:
    """The plan of one pass in paired training.

    `numbers` are the samples' places in the whole step, over all ranks; `turn` is the pass's place in the step where
    gradients are accumulated. What is drawn depends on these and the seed only.
    """
    has_video, has_motion = _present(tasks, float(torch.rand((), generator=stream("present", seed, step, turn))))
    choice_B3 = _uniform(seed, step, numbers)
    drawn = [_task(tasks, has_video, has_motion, float(value)) for value in choice_B3[:, 0]]
    sees_text_B = choice_B3[:, 1] >= _text_drop(tasks, drawn, has_motion)
    return _plan(drawn, flow, choice_B3[:, 2], sees_text_B, has_video, has_motion)


def draw_motion_plan(tasks: TaskConfig, flow: FlowConfig, *, seed: int, step: int, numbers: Sequence[int]) -> Plan:
    """The plan of one pass over motion alone (phase 1): the joint task with the video left out."""
    choice_B3 = _uniform(seed, step, numbers)
    drawn = [Task.JOINT] * len(numbers)
    return _plan(drawn, flow, choice_B3[:, 2], choice_B3[:, 1] >= tasks.drop, False, True)


def _uniform(seed: int, step: int, numbers: Sequence[int]) -> torch.Tensor:
    """(B, 3) in [0, 1): for the task, for the text, for the noise."""
    return torch.stack([torch.rand(3, generator=stream("plan", seed, step, number)) for number in numbers])


def _present(tasks: TaskConfig, value: float) -> tuple[bool, bool]:
    """Whether video and motion are there."""
    without_motion = tasks.drop * tasks.motion_to_video
    without_video = tasks.drop * tasks.video_to_motion
    if value < without_motion:
        return True, False
    return value >= without_motion + without_video, True


def _task(tasks: TaskConfig, has_video: bool, has_motion: bool, value: float) -> Task:
    """A sample's task, given what is present."""
    if not has_motion:
        return Task.MOTION_TO_VIDEO
    if not has_video:
        return Task.VIDEO_TO_MOTION
    kept = 1 - tasks.drop
    shares = tasks.joint, tasks.motion_to_video * kept, tasks.video_to_motion * kept
    value *= sum(shares)
    if value < shares[0]:
        return Task.JOINT
    return Task.MOTION_TO_VIDEO if value < shares[0] + shares[1] else Task.VIDEO_TO_MOTION


def _text_drop(tasks: TaskConfig, drawn: Sequence[Task], has_motion: bool) -> torch.Tensor:
    """(B,) the chance that the text is dropped, given the task and what is present."""
    alone = tasks.drop if tasks.drop_text is None else tasks.drop_text
    chance = {
        Task.JOINT: tasks.drop,
        # The text's own share is of all samples of the task, of which 1 - drop have their motion.
        Task.MOTION_TO_VIDEO: alone / (1 - tasks.drop) if has_motion else 1.0,
        Task.VIDEO_TO_MOTION: 1.0,
    }
    return torch.tensor([chance[task] for task in drawn])


def _plan(
    drawn: Sequence[Task],
    flow: FlowConfig,
    even_B: torch.Tensor,
    sees_text_B: torch.Tensor,
    has_video: bool,
    has_motion: bool,
) -> Plan:
    sigma_B = 1 - even_B  # in (0, 1]: a modality that is made is never without noise
    makes_video_B = torch.tensor([has_video and task.makes_video for task in drawn])
    makes_motion_B = torch.tensor([has_motion and task.makes_motion for task in drawn])
    return Plan(
        task_B=torch.tensor([task.id for task in drawn]),
        has_video=has_video,
        has_motion=has_motion,
        sees_text_B=sees_text_B,
        video_sigma_B=torch.where(makes_video_B, shifted(sigma_B, flow.video_shift), 0.0),
        motion_sigma_B=torch.where(makes_motion_B, shifted(sigma_B, flow.motion_shift), 0.0),
        makes_video_B=makes_video_B,
        makes_motion_B=makes_motion_B,
    )
