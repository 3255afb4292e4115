"""Equations 4 to 6 against an answer that depends on all it is given."""

import math

import pytest
import torch

from echomotion_model.diffusion.guidance import build_terms, compute_guided_velocity
from echomotion_model.diffusion.rng import make_generator
from echomotion_model.diffusion.tasks import Task

X = torch.randn(2, 3, 2, 2, 2, generator=make_generator("x"), dtype=torch.float64)
M = torch.randn(2, 5, 4, generator=make_generator("m"), dtype=torch.float64)
WEIGHTS = pytest.mark.parametrize("w1, w2", [(6, 1), (6, 2.5), (1, 1), (0, 0), (1, 3), (2, 2)])


def u(x, m, y):
    a, b = 0.0 if x is None else x.mean(), 0.0 if m is None else m.mean()
    c = 1.7 if y else 0.0
    s = math.sin(3 * a) + math.cos(2 * b) + a * b * (1 + c) + c
    return (None if x is None else x * s + c), (None if m is None else m * (s - 1) - c * b)


@WEIGHTS
def test_equation_4_of_joint(w1, w2):
    for index, made in enumerate(compute_guided_velocity(Task.JOINT, u, X, M, w1, w2)):
        null = u(X, M, False)[index]
        torch.testing.assert_close(made, null + w1 * (u(X, M, True)[index] - null))


@WEIGHTS
def test_equation_5_of_motion_to_video(w1, w2):
    video, motion = compute_guided_velocity(Task.MOTION_TO_VIDEO, u, X, M, w1, w2)
    alone, given, with_text = u(X, None, False)[0], u(X, M, False)[0], u(X, M, True)[0]
    torch.testing.assert_close(video, alone + w1 * (with_text - given) + w2 * (given - alone))
    assert motion is None


@WEIGHTS
def test_equation_6_of_video_to_motion(w1, w2):
    video, motion = compute_guided_velocity(Task.VIDEO_TO_MOTION, u, X, M, w1, w2)
    alone = u(None, M, False)[1]
    torch.testing.assert_close(motion, alone + w2 * (u(X, M, False)[1] - alone))
    assert video is None


@pytest.mark.parametrize("task", Task)
@pytest.mark.parametrize("w1, w2", [(6, 2), (1, 1), (0, 0), (0, 3), (2, 2)])
def test_the_weights_sum_to_1_and_terms_of_weight_0_are_not_evaluated(task, w1, w2):
    parts = build_terms(task, w1, w2)
    assert math.isclose(sum(part.weight for part in parts), 1) and all(part.weight for part in parts)


def test_without_guidance_one_evaluation_is_enough():
    assert [len(build_terms(task, 1, 1)) for task in Task] == [1, 1, 1]


@pytest.mark.parametrize("w1, w2", [(6, 1), (0, 0), (1, 3)])
def test_video_to_motion_is_never_evaluated_with_text(w1, w2):
    assert not any(term.text for term in build_terms(Task.VIDEO_TO_MOTION, w1, w2))


def test_velocities_in_half_precision_are_added_in_float32():
    def half(x, m, y):
        return x.to(torch.bfloat16), None

    assert compute_guided_velocity(Task.MOTION_TO_VIDEO, half, X.float(), M.float(), 3, 2)[0].dtype == torch.float32
