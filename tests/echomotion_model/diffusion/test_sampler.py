"""Sampling: steps find the clean data of a perfect model, and conditions stay as they were given."""

import pytest
import torch

from echomotion_model.diffusion.sampler import SamplingConfig, draw_samples
from echomotion_model.diffusion.tasks import Task
from echomotion_model.motion.layout import FEATURES
from tests.echomotion_model.model.small import GRID, SMALL, echo

VIDEO = torch.randn(2, 3, 2, 2, 2, generator=torch.Generator().manual_seed(0))
MOTION = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(1))
NULL, TEXT = torch.zeros(3, 6), torch.ones(2, 3, 6)
GUIDED = SamplingConfig(steps=7, text_guidance_scale=3, condition_guidance_scale=2)


class Perfect:
    """Knows the clean data; keeps what it was asked with."""

    def __init__(self) -> None:
        self.asked: list[dict] = []

    def __call__(self, video, motion, text, video_time, motion_time, task):
        self.asked.append(
            {"video": video, "motion": motion, "text": text, "times": (video_time, motion_time), "task": task}
        )
        return self._toward(video, VIDEO, video_time), self._toward(motion, MOTION, motion_time)

    @staticmethod
    def _toward(state, clean, time):
        if state is None:
            return None
        return (state - clean) / (time[0] / 1000) if time[0] > 0 else torch.full_like(state, torch.nan)


def test_joint_finds_both():
    model = Perfect()
    shapes = {"video_shape": VIDEO.shape[1:], "motion_shape": MOTION.shape[1:]}
    drawn = draw_samples(model, Task.JOINT, null_LE=NULL, text_BLE=TEXT, sampling=GUIDED, **shapes)
    torch.testing.assert_close(drawn.video_BCFHW, VIDEO, atol=1e-4, rtol=0)
    torch.testing.assert_close(drawn.motion_BTD, MOTION, atol=1e-4, rtol=0)
    assert {float(each["text"].mean()) for each in model.asked} == {0.0, 1.0}
    # Each modality has its own shift: 8 and 1; the first of 7 steps is at sigma 1, the second at 6/7 before it.
    wanted = torch.tensor([1000 * 48 / 49, 1000 * 6 / 7])
    torch.testing.assert_close(torch.stack([time[0] for time in model.asked[2]["times"]]), wanted)


def test_video_to_motion_keeps_the_video_and_gets_no_text():
    model = Perfect()
    given = {"video_BCFHW": VIDEO, "motion_shape": MOTION.shape[1:]}
    drawn = draw_samples(model, Task.VIDEO_TO_MOTION, null_LE=NULL, sampling=GUIDED, **given)
    torch.testing.assert_close(drawn.motion_BTD, MOTION, atol=1e-4, rtol=0)
    assert torch.equal(drawn.video_BCFHW, VIDEO)
    for each in model.asked:
        assert (each["text"] == 0).all() and (each["times"][0] == 0).all() and (each["times"][1] > 0).all()
        assert each["video"] is None or torch.equal(each["video"], VIDEO)
        assert (each["task"] == Task.VIDEO_TO_MOTION.id).all()
    assert sum(each["video"] is None for each in model.asked) == GUIDED.steps


def test_motion_to_video_keeps_the_motion():
    model = Perfect()
    given = {"motion_BTD": MOTION, "video_shape": VIDEO.shape[1:]}
    drawn = draw_samples(model, Task.MOTION_TO_VIDEO, null_LE=NULL, text_BLE=TEXT, sampling=GUIDED, **given)
    torch.testing.assert_close(drawn.video_BCFHW, VIDEO, atol=1e-4, rtol=0)
    assert torch.equal(drawn.motion_BTD, MOTION)
    for each in model.asked:
        assert (each["times"][1] == 0).all() and (each["times"][0] > 0).all()
        assert each["motion"] is None or torch.equal(each["motion"], MOTION)
    assert sum(each["motion"] is None for each in model.asked) == GUIDED.steps


def test_noise_depends_on_the_seed_and_the_row_alone():
    def still(video, motion, *others):
        return None, torch.zeros_like(motion)

    def noise(batch: int, seed: int) -> torch.Tensor:
        return draw_samples(still, Task.JOINT, null_LE=NULL, motion_shape=(5, 4), batch=batch, seed=seed).motion_BTD

    assert torch.equal(noise(3, 0)[:2], noise(2, 0)) and not torch.equal(noise(2, 0), noise(2, 1))


@pytest.mark.parametrize(
    "task, given, message",
    [
        (Task.VIDEO_TO_MOTION, {"motion_shape": (5, 4)}, "needs video"),
        (Task.VIDEO_TO_MOTION, {"video_BCFHW": VIDEO, "motion_shape": (5, 4), "text_BLE": TEXT}, "does not use text"),
        (Task.MOTION_TO_VIDEO, {"video_shape": (3, 2, 2, 2)}, "needs motion"),
        (Task.JOINT, {"motion_BTD": MOTION, "video_shape": (3, 2, 2, 2)}, "does not use motion"),
        (Task.JOINT, {"text_BLE": TEXT}, "video_shape, motion_shape or both"),
    ],
)
def test_inputs_that_do_not_match_the_task_are_refused(task, given, message):
    with pytest.raises(ValueError, match=message):
        draw_samples(Perfect(), task, null_LE=NULL, **given)


@pytest.mark.parametrize("task", Task)
def test_a_real_model_is_sampled_with_every_term(task):
    """Its token grid is bound by the caller, for the passes that have no video."""
    model, steps = echo().eval(), []
    shape = (SMALL.channels, 2, GRID[0] * SMALL.patch[1], GRID[1] * SMALL.patch[2])
    given = {"null_LE": torch.zeros(4, SMALL.text_dim)}
    if task.makes_video:
        given |= {"video_shape": shape, "text_BLE": torch.ones(1, 4, SMALL.text_dim)}
    else:
        given |= {"video_BCFHW": torch.zeros(1, *shape)}
    given |= {"motion_shape": (5, FEATURES)} if task.makes_motion else {"motion_BTD": torch.zeros(1, 5, FEATURES)}
    sampling = SamplingConfig(steps=2, text_guidance_scale=3, condition_guidance_scale=2)
    drawn = draw_samples(lambda *each: model(*each, GRID), task, sampling=sampling, on_step=steps.append, **given)
    assert drawn.video_BCFHW.shape == (1, *shape) and drawn.motion_BTD.shape == (1, 5, FEATURES)
    assert drawn.video_BCFHW.isfinite().all() and drawn.motion_BTD.isfinite().all() and steps == [1, 2]
