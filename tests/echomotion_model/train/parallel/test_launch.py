"""The whole loop, started in this process, by torchrun, and on a Ray cluster of two nodes."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from echomotion_model.train.loop import TrainResult
from echomotion_model.train.parallel.launch import launch
from echomotion_model.train.run.checkpoint import list_checkpoints
from humove.errors import UserError
from tests.echomotion_model.train.parallel.runs import STEPS, make_config, make_encoded_set
from tests.shared_folders import make_once

ROOT = Path(__file__).parents[4]
RUNS = "tests.echomotion_model.train.parallel.runs"


def run_module(*command: str) -> None:
    deprecated = "error::DeprecationWarning:echomotion_model.train.parallel.on_ray"
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": deprecated}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]


def run_torchrun(dataset: Path, out: Path) -> None:
    run_module(
        "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", RUNS, "torchrun", str(dataset), str(out)
    )


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_once(tmp_path_factory, "encoded_set", make_encoded_set)


@pytest.fixture(scope="module")
def two(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two processes under torchrun."""
    return make_once(tmp_path_factory, "run_of_two", lambda out: run_torchrun(dataset, out))


def read_losses(run: Path) -> list[tuple[int, float, float]]:
    lines = (json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines())
    return [(line["step"], line["loss"], line["grad_norm"]) for line in lines]


def load_weights(run: Path) -> dict[str, torch.Tensor]:
    """Load the last checkpoint's tensors from the shards of all ranks."""
    from torch.distributed.checkpoint import HuggingFaceStorageReader
    from torch.distributed.checkpoint.state_dict_loader import _load_state_dict_from_keys

    last = list_checkpoints(run)[-1]
    names = {name for path in last.glob("*.safetensors") for name in load_file(path)}
    return _load_state_dict_from_keys(names, storage_reader=HuggingFaceStorageReader(str(last)))


def test_two_processes_train_like_one(dataset: Path, two: Path, tmp_path: Path) -> None:
    done = launch(make_config(processes=1), str(dataset), tmp_path / "run")
    assert done == TrainResult(step=STEPS, finished=True)
    one, both = read_losses(tmp_path / "run"), read_losses(two)
    assert len(one) == len(both) == STEPS
    for (step, loss, norm), (other, other_loss, other_norm) in zip(one, both, strict=True):
        assert step == other and (loss, norm) == pytest.approx((other_loss, other_norm), rel=1e-4)
    expected, found = load_weights(tmp_path / "run"), load_weights(two)
    assert expected.keys() == found.keys() and len(expected) > 100
    for name, value in expected.items():
        torch.testing.assert_close(
            found[name], value, rtol=1e-3, atol=1e-4, msg=lambda message, name=name: name + message
        )


def test_a_killed_and_stopped_run_on_ray_equals_one_of_torchrun(dataset: Path, two: Path, tmp_path: Path) -> None:
    """A process dies and Ray restarts all; SIGTERM stops them; torchrun resumes the run."""
    out = tmp_path / "run"
    run_module(RUNS, "ray", str(dataset), str(out))
    assert 0 < len(read_losses(out)) < STEPS
    run_torchrun(dataset, out)
    assert read_losses(out) == read_losses(two)
    expected, found = load_weights(two), load_weights(out)
    assert expected.keys() == found.keys()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_an_address_without_a_cluster_is_one_line_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(UserError, match=f"^no Ray cluster at ADDRESS=127.0.0.1:{port}: .*is it running"):
        launch(make_config(), "set", tmp_path / "run", address=f"127.0.0.1:{port}")
