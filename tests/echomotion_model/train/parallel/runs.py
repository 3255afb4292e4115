"""A short run of the whole loop, under torchrun or on a Ray cluster of two: `runs.py MODE DATASET OUT`."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from echomotion_model.latents.config import LatentsSettings
from echomotion_model.latents.plan import get_default_out, plan_latents
from echomotion_model.latents.stage import EncodeShard
from echomotion_model.train.config import TrainConfig, load_train_config
from echomotion_model.train.inputs.encoders import Encoders
from echomotion_model.train.loop import TrainResult
from echomotion_model.train.parallel.launch import launch
from humove.errors import UserError
from tests.echomotion_model.data.sets import make_set

SETTINGS = [
    "model.layers=1",
    "model.ffn_dim=64",
    "data.workers=0",
    "data.buckets.resolutions=[[96, 48], [48, 96]]",
    "encoders.text_tokens=16",
    "phases.motion.steps=2",
    "phases.motion.batch_size=2",
    "phases.paired.steps=38",
    "phases.paired.learning_rate=1.0e-4",
    "checkpoint.every=4",
    "validation.clips=0",
    "log.every=1",
]
STEPS = 40


def make_config(**parallel: int) -> TrainConfig:
    return load_train_config("tiny", [*SETTINGS, *(f"parallel.{name}={value}" for name, value in parallel.items())])


def make_encoded_set(folder: Path) -> Path:
    """Make a data set with latents, so that no encoder is loaded."""
    make_set(folder)
    load, data = Encoders(make_config().encoders), make_config().data
    latents = LatentsSettings(buckets=data.buckets, seed=data.seed)
    plan = plan_latents(str(folder), get_default_out(str(folder)), latents, load.compute_ids())
    stage = EncodeShard(load)
    stage.setup()
    for job in plan.jobs:
        stage.process(job)
    return folder


@contextmanager
def start_two_nodes() -> Iterator[Any]:
    """Start a local Ray cluster of two nodes with one CPU each."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": 80 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
    try:
        cluster.add_node(**node)
        yield cluster
    finally:
        cluster.shutdown()


def kill_a_worker(cluster: Any) -> None:
    """Kill one of the cluster's training processes with SIGKILL."""
    for node in cluster.list_all_nodes():
        (raylet,) = (info.process.pid for info in node.all_processes["raylet"])
        listed = subprocess.run(["ps", "--ppid", str(raylet), "-o", "pid=,args="], capture_output=True, text=True)
        for line in listed.stdout.splitlines():
            pid, command = line.split(maxsplit=1)
            if "TrainWorker" in command:
                return os.kill(int(pid), signal.SIGKILL)
    raise AssertionError("no process trains")


def run_on_ray(dataset: str, out: Path) -> None:
    """Run training that loses a process, is restarted by Ray, and is then stopped."""
    steps: list[int] = []
    killed: list[int] = []

    def kill_then_stop(step: int, values: object) -> None:
        if not killed:
            killed.append(step)
            kill_a_worker(cluster)
        elif steps and step <= steps[-1]:
            os.kill(os.getpid(), signal.SIGTERM)
        steps.append(step)

    with start_two_nodes() as cluster:
        try:
            launch(make_config(processes=3), dataset, out, address=cluster.address)
        except UserError as error:
            assert str(error) == "parallel.processes=3, but the cluster has 2 CPUs: set it to 2 or less", error
        else:
            raise AssertionError("three processes on two CPUs")
        settings = make_config(processes=2, retries=1)
        stopped = launch(settings, dataset, out, address=cluster.address, on_metrics=kill_then_stop)
    assert not stopped.finished and 0 < stopped.step < STEPS, (stopped, steps)
    assert steps[-1] == stopped.step, (stopped, steps)


if __name__ == "__main__":
    torch.set_num_threads(1)
    mode, dataset, out = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    if mode == "ray":
        run_on_ray(dataset, out)
    else:
        steps: list[int] = []
        done = launch(make_config(), dataset, out, on_metrics=lambda step, _: steps.append(step))
        assert done == TrainResult(step=STEPS, finished=True), done
        assert bool(steps) == (os.environ["RANK"] == "0"), steps
