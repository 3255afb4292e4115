"""Ray: the same results as on one machine, machines that join, are lost or can't run a stage, and bad addresses."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from ray.cluster_utils import Cluster

from humove.errors import UserError
from pipelines.engine.executors import ray_cluster
from pipelines.engine.executors.ray_executor import RayExecutor
from pipelines.engine.executors.run_tasks import run_tasks
from pipelines.engine.executors.task import Fault
from tests.pipelines.engine.calls import STAGE, Calls, GpuCalls, make_task, run_all

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A head with 1 CPU and 2 GPUs that don't exist; no node has what the tests import but through PYTHONPATH."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "num_gpus": 2})
        yield cluster
        cluster.shutdown()


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return []


@pytest.fixture(scope="module")
def executor(cluster, lines) -> Iterator[RayExecutor]:
    executor = RayExecutor(address=cluster.address, workers=0, retries=1, notify=lines.append)
    yield executor
    executor.close()


def test_two_thousand_tasks_have_one_result_each_and_bad_ones_a_traceback(executor) -> None:
    bad = {i for i in range(2000) if i % 400 == 7}
    tasks = (make_task(f"t{i}", "fail" if i in bad else "square", f"item {i}" if i in bad else i) for i in range(2000))
    done = list(run_tasks(executor, tasks))
    results = {d.task.task_id: d.result for d in done}
    assert len(done) == len(results) == 2000
    for i in range(2000):
        result = results[f"t{i}"]
        if i in bad:
            assert isinstance(result, Fault)
            assert (result.stage, result.error) == ("fit", f"ZeroDivisionError: item {i}")
            assert "in fail" in result.traceback
        else:
            assert result == i * i


def test_a_dying_worker_costs_its_own_task(executor) -> None:
    tasks = [make_task("killer", "die", 9), make_task("twice", "die", 2)]
    tasks += [make_task(f"n{i}", "square", i) for i in range(50)]  # short ones, that share Ray tasks
    results = run_all(executor, tasks)
    assert results["killer"].error.startswith("WorkerDied: ")
    assert results["twice"] == 2
    assert [results[f"n{i}"] for i in range(50)] == [i * i for i in range(50)]


def test_a_user_error_is_raised_and_what_cannot_be_pickled_is_a_fault(executor) -> None:
    tasks = [make_task("result", "unpicklable"), make_task("payload", "square", lambda: None)]
    results = run_all(executor, tasks)
    assert all(isinstance(r, Fault) and "pickle" in r.error for r in results.values()), results
    (unreadable,) = run_all(executor, [make_task("unreadable", "unreadable")]).values()
    assert isinstance(unreadable, Fault) and "missing 1 required positional argument: 'second'" in unreadable.error
    executor.submit(make_task("m", "misconfigured"))
    with pytest.raises(UserError, match="^bad setting$") as caught:
        executor.wait()
    assert caught.value.exit_code == 7


def test_workers_are_reused_with_one_thread_in_each_kernel(executor) -> None:
    results = run_all(executor, [make_task(f"{i}", "process_id") for i in range(20)])
    assert len(set(results.values())) <= 2
    tasks = [make_task(module, "threads", module) for module in ("cv2", "torch")]
    assert run_all(executor, tasks) == {"cv2": 1, "torch": 1}


def test_a_long_task_does_not_wait_for_short_ones_nor_the_reverse(executor) -> None:
    run_all(executor, [make_task(f"{i}", "square", i) for i in range(200)])  # learns that tasks are short
    started = time.monotonic()
    tasks = [make_task(f"s{i}", "sleep", 1.0) for i in range(4)]
    run_all(executor, tasks)
    assert time.monotonic() - started < 4  # two slots: 2 s, and not one after the other


def test_gpu_tasks_run_in_processes_that_keep_their_gpu(executor) -> None:
    results = run_all(executor, [make_task(f"{i}", "find_gpu", None, GpuCalls(1.0)) for i in range(8)])
    found = set(results.values())
    assert sorted(gpu for _, gpu in found) == ["0", "1"]
    assert executor.count_slots() == 2
    assert run_all(executor, [make_task("cpu", "square", 3)]) == {"cpu": 9}  # though the actors held every CPU


def test_machines_that_join_are_used_and_those_that_cannot_run_a_stage_are_not(cluster, executor, lines) -> None:
    run_all(executor, [make_task("a", "square", 1)])
    assert executor.count_slots() == 2
    cluster.add_node(num_cpus=1)
    for _ in range(50):
        if executor.count_slots() == 3:
            break
        time.sleep(0.2)
    assert executor.count_slots() == 3
    results = run_all(executor, [make_task(f"{i}", "node", 0.5) for i in range(12)])
    nodes = set(results.values())
    assert len(nodes) == 2

    bad = results["0"]
    stage = Calls(setup=f"refuse on {bad}")
    results = run_all(executor, [make_task(f"{i}", "node", 0.1, stage) for i in range(12)])
    assert set(results.values()) == nodes - {bad}
    assert [line for line in lines if "no GPU driver; its tasks run on other machines" in line] == lines[-1:]

    nowhere = Calls(setup=f"refuse on {' '.join(nodes)}")
    refusing = RayExecutor.__new__(RayExecutor)  # its failure is final: not of the executor that the tests share
    refusing.__dict__.update(executor.__dict__, _states=[], _in_flight={}, _unsettled=0, _failure=None)
    refusing.submit(make_task("a", "square", 1, nowhere))
    with pytest.raises(UserError, match="^no GPU driver$"):
        refusing.wait(timeout_s=60)


def test_a_lost_machine_costs_only_time(cluster, executor, lines) -> None:
    node = cluster.add_node(num_cpus=2)
    for _ in range(50):
        if executor.count_slots() >= 4:
            break
        time.sleep(0.2)
    for i in range(24):
        executor.submit(make_task(f"{i}", "sleep_a_second"))
    results = {d.task.task_id: d.result for d in executor.wait()}
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    workers = [p for p in raylet.children(recursive=True) if "ray::" in p.name() or "ray::" in " ".join(p.cmdline())]
    assert workers
    for process in [*workers, raylet]:
        process.kill()
    while done := executor.wait():
        results.update((d.task.task_id, d.result) for d in done)
    assert results == {f"{i}": 0 for i in range(24)}  # no fault, and no death counted against a task
    for _ in range(300):  # the cluster itself takes a while to call a machine lost
        if executor.count_slots() == 3:
            break
        time.sleep(0.2)
    assert "this machine left the cluster; its tasks run on other machines" in lines[-1]


def test_ray_client_is_refused_with_the_ways_that_work(monkeypatch) -> None:
    with pytest.raises(UserError, match=r"--address auto.*ray job submit") as caught:
        RayExecutor(address="ray://10.0.0.1:10001", workers=0, retries=0)
    assert "\n" not in str(caught.value)
    monkeypatch.setenv("RAY_ADDRESS", "ray://10.0.0.1:10001")
    with pytest.raises(UserError, match="Ray Client is not supported"):
        ray_cluster.check_address("auto")


def test_an_address_without_a_cluster_is_a_one_line_error_at_once() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        started = time.monotonic()
        with pytest.raises(UserError, match=f"^no Ray cluster at ADDRESS={address}: .*is it running") as caught:
            RayExecutor(address=address, workers=0, retries=0)
    assert time.monotonic() - started < 15 and "\n" not in str(caught.value)
    with pytest.raises(UserError, match="write HOST:PORT"):
        RayExecutor(address="head", workers=0, retries=0)


def test_a_temporary_folder_too_long_for_sockets_is_a_one_line_error(tmp_path) -> None:
    folder = tmp_path / ("x" * 90)
    folder.mkdir()
    code = (
        "from humove.errors import UserError\nfrom pipelines.engine.executors.ray_executor import RayExecutor\n"
        "try:\n    RayExecutor(address='local', workers=1, retries=0)\nexcept UserError as e:\n    print(e)\n"
    )
    env = {**os.environ, "RAY_TMPDIR": str(folder), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.startswith(f"RAY_TMPDIR={folder}: is too long for Ray") and done.stdout.count("\n") == 1
    assert "set RAY_TMPDIR to a short folder" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_stage_is_not_shipped_again_for_each_task(executor, monkeypatch) -> None:
    shipped = []
    put = executor._ray.put
    monkeypatch.setattr(executor._ray, "put", lambda value: shipped.append(value) or put(value))
    run_all(executor, [make_task(f"{i}", "square", i, Calls(offset=STAGE.offset)) for i in range(10)])
    assert shipped == []  # other objects, but the same stage
    assert run_all(executor, [make_task("a", "square", 2, Calls(offset=5))]) == {"a": 9}
    assert len(shipped) == 1
