"""What a step draws: rates, rules, and that it is the same on any number of ranks."""

import math
from collections import Counter

import pytest
import torch

from echomotion_model.diffusion.flow import FlowConfig
from echomotion_model.diffusion.tasks import Task, TaskConfig, draw_motion_plan, draw_plan
from echomotion_model.diffusion.training_inputs import compute_flow_losses, draw_noise, make_inputs

TASKS, FLOW = TaskConfig(), FlowConfig()
STEPS = 8000
# Task, video, motion, text -> share: 50/25/25, a tenth of each task's samples without what it may lose.
SHARES = {
    (Task.JOINT, True, True, True): 0.45,
    (Task.JOINT, True, True, False): 0.05,
    (Task.MOTION_TO_VIDEO, True, True, True): 0.2,
    (Task.MOTION_TO_VIDEO, True, True, False): 0.025,
    (Task.MOTION_TO_VIDEO, True, False, False): 0.025,
    (Task.VIDEO_TO_MOTION, True, True, False): 0.225,
    (Task.VIDEO_TO_MOTION, False, True, False): 0.025,
}


@pytest.fixture(scope="module")
def drawn():
    plans = (draw_plan(TASKS, FLOW, seed=1, step=step, numbers=[0]) for step in range(STEPS))
    return [(list(Task)[int(plan.task_B)], plan) for plan in plans]


def test_tasks_and_dropping_have_their_rates(drawn):
    counts = Counter((task, plan.has_video, plan.has_motion, bool(plan.has_text_B)) for task, plan in drawn)
    assert set(counts) == set(SHARES)
    for case, share in SHARES.items():
        assert abs(counts[case] / STEPS - share) < 4.5 * math.sqrt(share * (1 - share) / STEPS), case


def test_text_and_motion_are_dropped_equally_often_at_any_rate():
    """Of all samples of motion_to_video: 40 % lose the text alone, 40 % both, 20 % nothing."""
    tasks = TaskConfig(joint=0, motion_to_video=1, video_to_motion=0, cfg_dropout=0.4)
    plans = [draw_plan(tasks, FLOW, seed=2, step=step, numbers=[0]) for step in range(2000)]
    counts = Counter((plan.has_motion, bool(plan.has_text_B)) for plan in plans)
    assert set(counts) == {(True, True), (True, False), (False, False)}
    for case, share in (((True, True), 0.2), ((True, False), 0.4), ((False, False), 0.4)):
        assert abs(counts[case] / 2000 - share) < 0.05


def test_the_text_of_motion_to_video_may_have_its_own_rate():
    tasks = TaskConfig(joint=0.5, motion_to_video=0.5, video_to_motion=0, cfg_dropout=0.1, text_dropout=0.8)
    plans = [draw_plan(tasks, FLOW, seed=2, step=step, numbers=[0]) for step in range(4000)]
    counts = Counter((list(Task)[int(p.task_B)], p.has_motion, bool(p.has_text_B)) for p in plans)
    shares = {
        (Task.JOINT, True, True): 0.45, (Task.JOINT, True, False): 0.05, (Task.MOTION_TO_VIDEO, True, True): 0.05,
        (Task.MOTION_TO_VIDEO, True, False): 0.4, (Task.MOTION_TO_VIDEO, False, False): 0.05,
    }  # fmt: skip
    assert set(counts) == set(shares)
    for case, share in shares.items():
        assert abs(counts[case] / 4000 - share) < 4.5 * math.sqrt(share * (1 - share) / 4000), case
    with pytest.raises(ValueError, match="exceed 1"):
        TaskConfig(cfg_dropout=0.3, text_dropout=0.8)


def test_video_to_motion_never_gets_text(drawn):
    assert not any(bool(plan.has_text_B) for task, plan in drawn if task is Task.VIDEO_TO_MOTION)


def test_only_generated_modalities_have_noise(drawn):
    for task, plan in drawn:
        assert bool(plan.makes_video_B) == (float(plan.video_sigma_B) > 0) == task.makes_video
        assert bool(plan.makes_motion_B) == (float(plan.motion_sigma_B) > 0) == task.makes_motion


def test_joint_has_one_time_for_both_where_the_shifts_are_one():
    flow = FlowConfig(video_shift=3, motion_shift=3)
    plan = draw_plan(TaskConfig(joint=1, motion_to_video=0, video_to_motion=0), flow, seed=0, step=0, numbers=range(9))
    assert torch.equal(plan.video_sigma_B, plan.motion_sigma_B) and len(plan.video_sigma_B.unique()) == 9


def test_shares_that_do_not_sum_to_1_are_refused():
    with pytest.raises(ValueError, match="add up to 1.5"):
        TaskConfig(joint=1.0)


def test_motion_alone_is_the_joint_task_without_video():
    plan = draw_motion_plan(TASKS, FLOW, seed=0, step=0, numbers=range(400))
    assert not plan.has_video and plan.has_motion and plan.makes_motion_B.all() and not plan.makes_video_B.any()
    assert (plan.task_B == Task.JOINT.id).all() and (plan.video_sigma_B == 0).all() and (plan.motion_sigma_B > 0).all()
    assert 20 < int((~plan.has_text_B).sum()) < 60


def test_a_rank_draws_its_part_of_the_step():
    whole = draw_plan(TASKS, FLOW, seed=3, step=9, numbers=range(8))
    part = draw_plan(TASKS, FLOW, seed=3, step=9, numbers=range(1, 8, 2))
    for name in ("task_B", "has_text_B", "video_sigma_B", "motion_sigma_B"):
        assert torch.equal(getattr(whole, name)[1::2], getattr(part, name))
    noise = draw_noise((3, 2), "video", seed=3, step=9, numbers=range(8))
    assert torch.equal(draw_noise((3, 2), "video", seed=3, step=9, numbers=range(1, 8, 2)), noise[1::2])
    assert not torch.equal(draw_noise((3, 2), "motion", seed=3, step=9, numbers=range(8)), noise)


def _step(step: int, has: tuple[bool, bool] = (True, True)):
    """The first plan from `step` on with these modalities, and its inputs."""
    while True:
        plan = draw_plan(TASKS, FLOW, seed=3, step=step, numbers=range(8))
        if (plan.has_video, plan.has_motion) == has:
            break
        step += 1
    rng = torch.Generator().manual_seed(0)
    clean = {
        "video_BCFHW": torch.randn(8, 3, 2, 2, 2, generator=rng),
        "motion_BTD": torch.randn(8, 5, 4, generator=rng),
        "text_BLE": torch.randn(8, 3, 6, generator=rng),
        "null_LE": torch.full((3, 6), 7.0),
    }
    noise = {
        "video_noise_BCFHW": draw_noise((3, 2, 2, 2), "video", seed=3, step=step, numbers=range(8)),
        "motion_noise_BTD": draw_noise((5, 4), "motion", seed=3, step=step, numbers=range(8)),
    }
    return plan, clean, noise, make_inputs(plan, **clean, **noise)


def test_conditions_are_never_noised_and_have_time_0():
    plan, clean, noise, inputs = _step(0)
    for made, given, time, was in (
        (inputs.makes_video_B, inputs.video_BCFHW, inputs.video_time_B, clean["video_BCFHW"]),
        (inputs.makes_motion_B, inputs.motion_BTD, inputs.motion_time_B, clean["motion_BTD"]),
    ):
        assert made.any() and not made.all()
        assert torch.equal(given[~made], was[~made]) and (time[~made] == 0).all()
        assert (given[made] != was[made]).all() and (time[made] > 0).all()
    sigma = plan.video_sigma_B[:, None, None, None, None]
    made = (1 - sigma) * clean["video_BCFHW"] + sigma * noise["video_noise_BCFHW"]
    torch.testing.assert_close(inputs.video_BCFHW, made)
    torch.testing.assert_close(inputs.video_time_B, 1000 * plan.video_sigma_B)
    assert torch.equal(inputs.video_target_BCFHW, noise["video_noise_BCFHW"] - clean["video_BCFHW"])


def test_a_dropped_text_is_the_null_text_and_video_to_motion_has_no_other():
    plan, clean, _, inputs = _step(0)
    unseen = ~plan.has_text_B
    assert (inputs.text_BLE[unseen] == 7).all() and torch.equal(inputs.text_BLE[~unseen], clean["text_BLE"][~unseen])
    is_video_to_motion = inputs.task_B == Task.VIDEO_TO_MOTION.id
    assert is_video_to_motion.any() and unseen[is_video_to_motion].all()


def test_a_dropped_modality_is_left_out_for_the_whole_batch():
    plan, _, _, inputs = _step(0, (True, False))
    assert inputs.motion_BTD is None and inputs.motion_target_BTD is None and (inputs.text_BLE == 7).all()
    assert (inputs.task_B == Task.MOTION_TO_VIDEO.id).all()
    plan, _, _, inputs = _step(0, (False, True))
    assert inputs.video_BCFHW is None and inputs.video_target_BCFHW is None and (inputs.text_BLE == 7).all()
    assert (inputs.task_B == Task.VIDEO_TO_MOTION.id).all() and inputs.makes_motion_B.all()


def test_the_loss_counts_only_generated_modalities():
    _, _, _, inputs = _step(0)
    video, motion = compute_flow_losses(inputs, inputs.video_target_BCFHW + 1, inputs.motion_target_BTD + 2)
    torch.testing.assert_close(video, inputs.makes_video_B.float())
    torch.testing.assert_close(motion, 4 * inputs.makes_motion_B.float())


def test_a_plan_without_its_data_is_refused():
    plan, clean, noise, _ = _step(0)
    with pytest.raises(ValueError, match="was not given"):
        make_inputs(plan, **{**clean, "motion_BTD": None}, **noise)
