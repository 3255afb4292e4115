"""In-context guidance, equations 4 to 6 of the paper, as weighted sums of the model's velocities.

u(x, m, y) is the velocity for video x, motion m and text y; 0 stands for an input that is left out:

    joint            (4)  u(x,m,0) + w1 (u(x,m,y) - u(x,m,0))
    motion_to_video  (5)  u(x,0,0) + w1 (u(x,m,y) - u(x,m,0)) + w2 (u(x,m,0) - u(x,0,0))
    video_to_motion  (6)  u(0,m,0) + w2 (u(x,m,0) - u(0,m,0))

w1 is text_guidance_scale, w2 condition_guidance_scale (of the other modality). Terms of weight 0 are not computed: at
w1 = w2 = 1 one pass of the model is enough.
"""

from typing import NamedTuple, Protocol

import torch

from echomotion_model.diffusion.tasks import Task

VelocityPair = tuple[torch.Tensor | None, torch.Tensor | None]
"""Velocities of video and motion; None if the modality is absent or not generated."""


class VelocityField(Protocol):
    """u: a function that returns the velocities at a state. None leaves a modality out; text=False is the null text."""

    def __call__(self, video: torch.Tensor | None, motion: torch.Tensor | None, text: bool, /) -> VelocityPair: ...


class Term(NamedTuple):
    """One evaluation of the model: its weight and its inputs."""

    weight: float
    video: bool
    motion: bool
    text: bool


def build_terms(task: Task, text_guidance_scale: float, condition_guidance_scale: float) -> tuple[Term, ...]:
    """Return the terms of a task's equation, one per model evaluation, without those of weight 0."""
    w1, w2 = text_guidance_scale, condition_guidance_scale
    match task:
        case Task.JOINT:
            every = (Term(w1, True, True, True), Term(1 - w1, True, True, False))
        case Task.MOTION_TO_VIDEO:
            every = (
                Term(w1, True, True, True),
                Term(w2 - w1, True, True, False),
                Term(1 - w2, True, False, False),
            )
        case Task.VIDEO_TO_MOTION:
            every = (Term(w2, True, True, False), Term(1 - w2, False, True, False))
    return tuple(term for term in every if term.weight)


def compute_guided_velocity(
    task: Task,
    u: VelocityField,
    video: torch.Tensor | None,
    motion: torch.Tensor | None,
    text_guidance_scale: float,
    condition_guidance_scale: float,
) -> VelocityPair:
    """Compute the guided velocities of the generated modalities, in float32 or wider; None for a condition."""
    makes_video, makes_motion = task.makes_video and video is not None, task.makes_motion and motion is not None
    total_video: torch.Tensor | None = None
    total_motion: torch.Tensor | None = None
    for term in build_terms(task, text_guidance_scale, condition_guidance_scale):
        velocities = u(video if term.video else None, motion if term.motion else None, term.text)
        if makes_video:
            total_video = _add_term(total_video, term.weight, velocities[0])
        if makes_motion:
            total_motion = _add_term(total_motion, term.weight, velocities[1])
    return total_video, total_motion


def _add_term(total: torch.Tensor | None, weight: float, velocity: torch.Tensor | None) -> torch.Tensor:
    if velocity is None:
        raise ValueError("the model returned no velocity for a modality in its input")
    part = weight * velocity.to(torch.promote_types(velocity.dtype, torch.float32))
    return part if total is None else total + part
