"""The benchmark of training steps: its command at a tiny size on a CPU, and the operations that it counts."""

import pytest
import torch

from echomotion_model.bench import Timing, bench_model, format_timing
from echomotion_model.model.config import load_preset
from echomotion_model.train.run.mfu import count_step_flops
from humove.errors import UserError


@pytest.fixture(scope="module")
def timings() -> list[Timing]:
    torch.set_num_threads(1)
    return bench_model("tiny", latents_FHW=(3, 4, 6), text_tokens=8, steps=1, warmup=1)


def test_each_kind_of_step_is_timed_in_one_run(timings: list[Timing]) -> None:
    assert {timing.name: timing.tokens for timing in timings} == {
        "joint": 18 + 459,
        "motion alone": 459,
        "diffusers, default": 18,
        "diffusers, tuned": 18,
    }
    assert all(timing.seconds > 0 and 0 < timing.mfu < 1 for timing in timings)


def test_a_row_shows_the_measurement(timings: list[Timing]) -> None:
    line = format_timing(timings[0])
    assert line.startswith("joint ") and " s " in line and line.endswith("MFU")  # no memory figure on a CPU
    nan = float("nan")
    full = Timing(name="joint", tokens=9, seconds=nan, tflop=1.0, mfu=nan, peak_gib=nan)
    assert "does not fit" in format_timing(full)


def test_the_operations_are_those_known_of_the_large_preset() -> None:
    """At 81 frames of 832x480: 1,041 T joint, 849 T video alone, 42 T motion alone."""
    config = load_preset("wan2.1-1.3b")
    for tokens, teraflop in (((32760, 4131), 1041), ((32760, 0), 849), ((0, 4131), 42)):
        assert count_step_flops(config, *tokens, 512) / 1e12 == pytest.approx(teraflop, abs=1)


def test_an_unknown_preset_gives_a_one_line_error() -> None:
    with pytest.raises(UserError, match="no model preset 'large'"):
        bench_model("large")
