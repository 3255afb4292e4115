"""One short run of the whole loop: `runs.py MODE DATASET OUT`, where torchrun starts it, or on a Ray cluster of two."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from echomotion_model.train.config import TrainConfig, load_train_config
from echomotion_model.train.loop import Trained
from echomotion_model.train.parallel.config import ParallelConfig
from echomotion_model.train.parallel.launch import launch

SETTINGS = [
    "model.layers=1",
    "model.ffn_dim=64",
    "data.workers=0",
    "data.buckets.resolutions=[[96, 48], [48, 96]]",
    "encoders.windows=0",
    "encoders.text_tokens=16",
    "phases.motion.steps=2",
    "phases.motion.batch_size=2",
    "phases.paired.steps=3",
    "validation.clips=0",
    "log.every=1",
]


def config(*more: str) -> TrainConfig:
    return load_train_config("tiny", [*SETTINGS, *more])


@contextmanager
def two_nodes() -> Iterator[str]:
    """The address of a Ray cluster of two nodes of one CPU, both on this machine."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": 80 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
    try:
        cluster.add_node(**node)
        yield cluster.address
    finally:
        cluster.shutdown()


def main(mode: str, dataset: str, out: Path) -> Trained:
    torch.set_num_threads(1)
    if mode == "torchrun":
        return launch(config(), dataset, out, parallel=ParallelConfig())
    seen: list[int] = []
    with two_nodes() as address:
        parallel = ParallelConfig(processes=2, retries=0)
        trained = launch(
            config(), dataset, out, parallel=parallel, address=address, on_metrics=lambda step, _: seen.append(step)
        )
    assert seen == [1, 2, 3, 4, 5], seen
    return trained


if __name__ == "__main__":
    done = main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    assert done == Trained(step=5, finished=True), done
