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

from echomotion_model.train.checkpoint import checkpoints
from echomotion_model.train.loop import Trained
from echomotion_model.train.parallel.launch import launch
from humove.errors import UserError
from tests.echomotion_model.train.parallel.runs import STEPS, config, encoded_set
from tests.shared_folders import make_once

ROOT = Path(__file__).parents[4]
RUNS = "tests.echomotion_model.train.parallel.runs"


def started(*command: str) -> None:
    deprecated = "error::DeprecationWarning:echomotion_model.train.parallel.on_ray"
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": deprecated}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]


def torchrun(dataset: Path, out: Path) -> None:
    started(
        "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", RUNS, "torchrun", str(dataset), str(out)
    )


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_once(tmp_path_factory, "encoded_set", encoded_set)


@pytest.fixture(scope="module")
def two(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of torchrun's, with two processes."""
    return make_once(tmp_path_factory, "run_of_two", lambda out: torchrun(dataset, out))


def losses(run: Path) -> list[tuple[int, float, float]]:
    lines = (json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines())
    return [(line["step"], line["loss"], line["grad_norm"]) for line in lines]


def weights(run: Path) -> dict[str, torch.Tensor]:
    """Of the last checkpoint, put together from the parts of its ranks, average and optimizer included."""
    from torch.distributed.checkpoint import HuggingFaceStorageReader
    from torch.distributed.checkpoint.state_dict_loader import _load_state_dict_from_keys

    last = checkpoints(run)[-1]
    names = {name for path in last.glob("*.safetensors") for name in load_file(path)}
    return _load_state_dict_from_keys(names, storage_reader=HuggingFaceStorageReader(str(last)))


def test_two_processes_run_the_loop_as_one_does(dataset: Path, two: Path, tmp_path: Path) -> None:
    done = launch(config(processes=1), str(dataset), tmp_path / "run")
    assert done == Trained(step=STEPS, finished=True)
    one, both = losses(tmp_path / "run"), losses(two)
    assert len(one) == len(both) == STEPS
    for (step, loss, norm), (other, other_loss, other_norm) in zip(one, both, strict=True):
        assert step == other and (loss, norm) == pytest.approx((other_loss, other_norm), rel=1e-4)
    expected, found = weights(tmp_path / "run"), weights(two)
    assert expected.keys() == found.keys() and len(expected) > 100
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-4, msg=lambda said, name=name: name + said)


def test_ray_learns_what_torchrun_learns_though_it_is_killed_and_stopped(
    dataset: Path, two: Path, tmp_path: Path
) -> None:
    """One of the processes dies and Ray starts them again; SIGTERM stops them; torchrun goes on from there."""
    out = tmp_path / "run"
    started(RUNS, "ray", str(dataset), str(out))
    assert 0 < len(losses(out)) < STEPS
    torchrun(dataset, out)
    assert losses(out) == losses(two)
    expected, found = weights(two), weights(out)
    assert expected.keys() == found.keys()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_an_address_where_nobody_answers_is_a_line_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(UserError, match=f"^no Ray cluster at ADDRESS=127.0.0.1:{port}: .*is it running"):
        launch(config(), "set", tmp_path / "run", address=f"127.0.0.1:{port}")
