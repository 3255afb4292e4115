"""Operations of a step against figures that were measured on the published shapes."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from echomotion_model.model.config import preset
from echomotion_model.model.transformer import EchoMotionTransformer
from echomotion_model.train.lora import LoraConfig, add_lora
from echomotion_model.train.mfu import forward_flops, peak_flops, step_flops


@pytest.mark.parametrize(
    ("video", "motion", "tera"),
    [(32_760, 4_131, 1_041), (32_760, 0, 849), (0, 4_131, 42)],
    ids=["joint", "video", "motion"],
)
def test_a_step_of_the_1_3b_model_is_what_was_measured(video: int, motion: int, tera: int) -> None:
    assert step_flops(preset("wan2.1-1.3b"), video, motion, 512) / 1e12 == pytest.approx(tera, abs=0.6)


def test_motion_costs_what_was_measured_of_both_models() -> None:
    small, large = preset("wan2.1-1.3b"), preset("wan2.2-5b")
    assert step_flops(small, 32_760, 4_131, 512) / step_flops(small, 32_760, 0, 512) == pytest.approx(1.226, abs=5e-4)
    # 121 frames of 1280x704: 31 latents of 22x40 tokens; 15 of the 30 blocks have a motion branch.
    assert step_flops(large, 27_280, 6_171, 512) / step_flops(large, 27_280, 0, 512) == pytest.approx(1.187, abs=5e-4)


@pytest.mark.parametrize("with_video", [True, False])
def test_the_formula_is_what_a_forward_pass_does(with_video: bool) -> None:
    config = preset("tiny", dual_every=2)
    model = EchoMotionTransformer(config)
    video = torch.zeros(1, config.channels, 3, 16, 12) if with_video else None
    time = torch.zeros(1)
    # The counter knows nothing of the CPU's fused attention.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counted, torch.no_grad():
        model(video, torch.zeros(1, 9, 235), torch.zeros(1, 40, config.text_dim), time, time, None, (8, 6))
    formula = forward_flops(config, 144 if with_video else 0, 9 * 51, 40)
    # What is left out: the ways in and out, and the embedders of text and time.
    assert formula < counted.get_total_flops() < 1.12 * formula


@pytest.mark.parametrize("rank", [0, 2])
def test_the_formula_is_what_a_step_does_with_adapters_and_without(rank: int) -> None:
    config = preset("tiny", dual_every=2)
    model = EchoMotionTransformer(config)
    model = add_lora(model, LoraConfig(rank=rank), seed=0) if rank else model
    time = torch.zeros(1)
    given = torch.zeros(1, config.channels, 3, 16, 12), torch.zeros(1, 9, 235), torch.zeros(1, 40, config.text_dim)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counted:
        video, motion = model(*given, time, time, torch.zeros(1).long())
        (video.sum() + motion.sum()).backward()
    formula = step_flops(config, 144, 9 * 51, 40, adapted=bool(rank))
    # Left out: the ways in and out, embedders and adapters.
    assert 0.98 * formula < counted.get_total_flops() < 1.15 * formula


def test_a_cpu_has_a_peak_that_was_measured() -> None:
    assert 1e8 < peak_flops(torch.device("cpu")) < 1e14
