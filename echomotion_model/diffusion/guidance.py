"""In-context guidance, equations 4 to 6 of the paper, as weighted sums of the model's answers.

With u(x, m, y) the answer to video x, motion m and text y, and 0 for what is left out:

    joint            (4)  u(x,m,0) + w1 (u(x,m,y) - u(x,m,0))
    motion_to_video  (5)  u(x,0,0) + w1 (u(x,m,y) - u(x,m,0)) + w2 (u(x,m,0) - u(x,0,0))
    video_to_motion  (6)  u(0,m,0) + w2 (u(x,m,0) - u(0,m,0))

w1 is the weight of the text, w2 that of the other modality. Terms of weight 0 are not asked for: at w1 = w2 = 1 one
answer is enough.
"""

from typing import NamedTuple, Protocol

import torch

from echomotion_model.diffusion.tasks import Task

Pair = tuple[torch.Tensor | None, torch.Tensor | None]
"""Velocities of video and motion; None where it was not given, or is not made."""


class Field(Protocol):
    """u: the velocities at a state. None leaves a modality out; text false stands for the null text."""

    def __call__(self, video: torch.Tensor | None, motion: torch.Tensor | None, text: bool, /) -> Pair: ...


class Term(NamedTuple):
    """An answer's weight, and what it is given."""

    weight: float
    video: bool
    motion: bool
    text: bool


def terms(task: Task, w1: float, w2: float) -> tuple[Term, ...]:
    """The equation of a task, sorted by answers; those of weight 0 left out."""
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


def guided(task: Task, u: Field, video: torch.Tensor | None, motion: torch.Tensor | None, w1: float, w2: float) -> Pair:
    """The guided velocities of what the task makes, in float32 or wider; None for its condition."""
    makes_video, makes_motion = task.makes_video and video is not None, task.makes_motion and motion is not None
    total_video: torch.Tensor | None = None
    total_motion: torch.Tensor | None = None
    for term in terms(task, w1, w2):
        answer = u(video if term.video else None, motion if term.motion else None, term.text)
        if makes_video:
            total_video = _added(total_video, term.weight, answer[0])
        if makes_motion:
            total_motion = _added(total_motion, term.weight, answer[1])
    return total_video, total_motion


def _added(total: torch.Tensor | None, weight: float, answer: torch.Tensor | None) -> torch.Tensor:
    if answer is None:
        raise ValueError("the model gave no velocity for a modality that it was given")
    part = weight * answer.to(torch.promote_types(answer.dtype, torch.float32))
    return part if total is None else total + part
