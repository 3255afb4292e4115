"""Stages that take a share of a GPU: how many workers there are, which GPU each sees, and what is said without one."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from humove.errors import UserError
from humove.stage import Emit, Resources
from pipelines.build import build
from pipelines.executors import local
from pipelines.executors.gpus import workers_on
from pipelines.executors.local import LocalExecutor
from pipelines.work import Work
from tests.builds import Quiet, config


class Sees:
    """A stage that says in which process it is, and which GPU that sees."""

    name, version, batch_size = "sees", "1", 1

    def __init__(self, gpus: float) -> None:
        self.resources = Resources(cpus=1, gpus=gpus)

    def setup(self) -> None: ...

    def process(self, batch: Sequence[int]) -> list[Emit]:
        time.sleep(0.2)  # so that no worker does the work of all
        return [Emit(outputs=((os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES", "")),)) for _ in batch]


def works(count: int) -> list[Work]:
    return [Work(unit_id=str(i), label=str(i), weight=1.0, payload=i) for i in range(count)]


def seen(executor, gpus: float) -> dict[int, str]:
    """Each worker's GPU."""
    return dict(done.outcome.outputs[0] for done in executor.map(Sees(gpus), works(8)))


@pytest.mark.parametrize(
    ("gpus", "share", "held"), [(1, 0.5, 2), (2, 0.4, 4), (1, 0.1, 10), (3, 1.0, 3), (1, 0.3, 3), (4, 0.65, 4)]
)
def test_shares_are_of_one_gpu(gpus: int, share: float, held: int) -> None:
    assert workers_on(gpus, share) == held


def test_local_workers_are_spread_over_the_gpus(monkeypatch) -> None:
    monkeypatch.setattr(local, "gpus_here", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    executor = LocalExecutor(workers=3, retries=0)
    try:
        assert set(seen(executor, 0.0).values()) == {"4,6"}
        whole = seen(executor, 1.0)
        assert sorted(whole.values()) == ["4", "6"]  # two workers, a GPU each, though three are allowed
        assert set(seen(executor, 0.5).values()) == {"4", "6"}
    finally:
        executor.close()


def test_ray_workers_get_the_share_that_they_ask_for() -> None:
    from ray.cluster_utils import Cluster

    from pipelines.executors.ray import RayExecutor

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 3, "num_gpus": 1})
    executor = None
    try:
        executor = RayExecutor(address=cluster.address, workers=0, retries=0)
        found = seen(executor, 0.5)
        assert 1 <= len(found) <= 2 and set(found.values()) == {"0"}
    finally:
        if executor is not None:
            executor.close()
        cluster.shutdown()


YOLO = ["track.annotator=ultralytics", "allow=[permissive, agpl]", "execution.gpus={track: 0.5}"]


@pytest.mark.parametrize("executor", ["local", "ray"])
def test_without_a_gpu_it_is_one_line(executor: str, videos: Path, tmp_path: Path) -> None:
    pytest.importorskip("ultralytics")
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    weights = tmp_path / "x.pt"
    weights.write_bytes(b"never read")
    settings = config(*YOLO, f"track.ultralytics.weights.path={weights}", f"execution.executor={executor}")
    where = {"local": "this machine", "ray": "the Ray cluster"}[executor]
    with pytest.raises(UserError, match=f"{where} has none that torch can use.*SET execution.gpus={{}}") as caught:
        build(settings, str(videos), tmp_path / "out", Quiet())
    assert "\n" not in str(caught.value)
