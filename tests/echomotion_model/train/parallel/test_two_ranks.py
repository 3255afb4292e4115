"""Two gloo processes against one: FSDP2, its dtypes, recomputation and Ulysses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from echomotion_model.train.parallel.config import ParallelConfig
from echomotion_model.train.parallel.processes import Processes
from tests.echomotion_model.train.parallel.steps import PHASES, SETTINGS, STEPS, run, run_phases
from tests.shared_folders import make_once

ROOT = Path(__file__).parents[4]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_once(tmp_path_factory, "two_ranks", run_two_ranks)


def run_two_ranks(out: Path) -> None:
    out.mkdir()
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    script = ["-m", "tests.echomotion_model.train.parallel.ranks", str(out)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(launcher + script, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def facts(two: Path) -> dict:
    return json.loads((two / "facts.json").read_text())


@pytest.mark.parametrize("name", SETTINGS)
def test_two_processes_train_like_one(two: Path, name: str) -> None:
    settings = SETTINGS[name] | {"ulysses_degree": 1, "activation_checkpointing": "none"}
    check_close(run(Processes(ParallelConfig(**settings), CPU)), load_file(two / f"{name}.safetensors"), settings)


def check_close(expected: dict[str, torch.Tensor], found: dict[str, torch.Tensor], settings: dict) -> None:
    """Check equality up to rounding, and that the loss falls."""
    assert found.keys() == expected.keys()
    tolerance = 1e-3 if settings.get("precision") == "bfloat16" else 1e-5
    for key, value in expected.items():
        kind = key.partition(".")[0]
        torch.testing.assert_close(
            found[key], value, rtol=tolerance, atol=tolerance if kind in ("grad", "loss", "norm") else 10 * tolerance,
            msg=lambda message, key=key: f"{key}: {message}",
        )  # fmt: skip
    assert found["loss.0"] > found[f"loss.{STEPS - 1}"] > 0


@pytest.mark.parametrize("name", PHASES)
def test_blocks_that_are_frozen_in_the_first_phase_train_in_the_second(two: Path, name: str) -> None:
    expected = run_phases(Processes(ParallelConfig(**PHASES[name]), CPU))
    check_close(expected, load_file(two / f"{name}.safetensors"), PHASES[name])


def test_recomputing_does_not_change_results(two: Path) -> None:
    sharded, recomputed = (load_file(two / f"{name}.safetensors") for name in ("sharded", "recomputed"))
    assert all(torch.equal(sharded[key], recomputed[key]) for key in sharded)


def test_float32_parameters_are_gathered_in_float32_and_the_rest_in_bfloat16(facts: dict) -> None:
    assert facts["types"] == {
        "to_q": "torch.bfloat16",
        "norm2": "torch.float32",
        "table": "torch.float32",
        "modulation": "torch.float32",
        "time": "torch.float32",
    }


def test_every_rank_holds_half_of_a_table_and_of_a_matrix(facts: dict) -> None:
    assert facts["parts"] == [[1, 3, 48], [32, 48]]


def test_ranks_are_counted_by_sample_and_sums_count_each_once(facts: dict) -> None:
    assert facts["rank_size"] == [0, 2] and facts["sum"] == [3.0] and facts["any"] == [False, True]
    assert facts["pair"] == [0, 1, 2] and facts["pair_sum"] == [3.0]


def test_a_ulysses_degree_that_does_not_divide_is_one_line(facts: dict) -> None:
    processes, heads = facts["refused"]
    assert "does not divide the 2 processes" in processes and "does not divide the model's 3 heads" in heads
    assert "\n" not in processes + heads
