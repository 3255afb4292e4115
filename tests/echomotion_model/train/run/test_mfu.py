"""Operations of a step against measurements with the published shapes."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from echomotion_model.model.config import load_preset
from echomotion_model.model.transformer import EchoMotionTransformer
from echomotion_model.train.lora import LoraConfig, add_lora
from echomotion_model.train.run.mfu import count_forward_flops, count_step_flops, get_peak_flops


@pytest.mark.parametrize(
    ("video", "motion", "tera"),
    [(32_760, 4_131, 1_041), (32_760, 0, 849), (0, 4_131, 42)],
    ids=["joint", "video", "motion"],
)
def test_a_step_of_the_1_3b_model_matches_the_measurement(video: int, motion: int, tera: int) -> None:
    assert count_step_flops(load_preset("wan2.1-1.3b"), video, motion, 512) / 1e12 == pytest.approx(tera, abs=0.6)


def test_the_cost_of_motion_matches_the_measurement_of_both_models() -> None:
    small, large = load_preset("wan2.1-1.3b"), load_preset("wan2.2-5b")
    assert count_step_flops(small, 32_760, 4_131, 512) / count_step_flops(small, 32_760, 0, 512) == pytest.approx(
        1.226, abs=5e-4
    )
    # 121 frames of 1280x704: 31 latents of 22x40 tokens; 15 of the 30 blocks have a motion branch.
    assert count_step_flops(large, 27_280, 6_171, 512) / count_step_flops(large, 27_280, 0, 512) == pytest.approx(
        1.187, abs=5e-4
    )


@pytest.mark.parametrize("with_video", [True, False])
def test_the_formula_matches_a_forward_pass(with_video: bool) -> None:
    config = load_preset("tiny", dual_every=2)
    model = EchoMotionTransformer(config)
    video = torch.zeros(1, config.channels, 3, 16, 12) if with_video else None
    time = torch.zeros(1)
    # The counter does not support the CPU's fused attention.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counted, torch.no_grad():
        model(video, torch.zeros(1, 9, 235), torch.zeros(1, 40, config.text_dim), time, time, None, (8, 6))
    formula = count_forward_flops(config, 144 if with_video else 0, 9 * 51, 40)
    # Not counted: input and output layers, and the text and time embedders.
    assert formula < counted.get_total_flops() < 1.12 * formula


@pytest.mark.parametrize("rank", [0, 2])
def test_the_formula_matches_a_step_with_and_without_adapters(rank: int) -> None:
    config = load_preset("tiny", dual_every=2)
    model = EchoMotionTransformer(config)
    model = add_lora(model, LoraConfig(rank=rank), seed=0) if rank else model
    time = torch.zeros(1)
    inputs = torch.zeros(1, config.channels, 3, 16, 12), torch.zeros(1, 9, 235), torch.zeros(1, 40, config.text_dim)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counted:
        video, motion = model(*inputs, time, time, torch.zeros(1).long())
        (video.sum() + motion.sum()).backward()
    formula = count_step_flops(config, 144, 9 * 51, 40, adapted=bool(rank))
    # Not counted: input and output layers, embedders and adapters.
    assert 0.98 * formula < counted.get_total_flops() < 1.15 * formula


def test_the_peak_of_a_cpu_is_measured() -> None:
    assert 1e8 < get_peak_flops(torch.device("cpu")) < 1e14
