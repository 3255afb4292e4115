"""Worker processes on this machine: every task has one result, and faults and deaths cost one task alone."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from humove.errors import UserError
from pipelines.engine.executors import local_executor
from pipelines.engine.executors.local_executor import LocalExecutor
from pipelines.engine.executors.task import Fault
from tests.pipelines.engine.calls import Calls, GpuCalls, make_task, run_all


@pytest.fixture(scope="module")
def executor():
    executor = LocalExecutor(workers=2, retries=1)
    yield executor
    executor.close()


def test_two_thousand_tasks_have_one_result_each_and_bad_ones_a_traceback(executor) -> None:
    bad = {i for i in range(2000) if i % 400 == 7}
    tasks = [make_task(f"t{i}", "fail" if i in bad else "square", f"item {i}" if i in bad else i) for i in range(2000)]
    results = run_all(executor, tasks)
    for i in range(2000):
        result = results[f"t{i}"]
        if i in bad:
            assert isinstance(result, Fault)
            assert (result.stage, result.error) == ("fit", f"ZeroDivisionError: item {i}")
            assert "Traceback" in result.traceback and "in fail" in result.traceback
        else:
            assert result == i * i


def test_a_task_that_raises_is_tried_again(executor, tmp_path) -> None:
    assert run_all(executor, [make_task("a", "fail_once", str(tmp_path / "mark"))]) == {"a": "done"}


def test_a_dying_worker_costs_its_own_task_and_no_other_runs_twice(executor, tmp_path) -> None:
    tasks = [make_task("beside", "leave_mark", str(tmp_path)), make_task("killer", "die", 9)]
    tasks += [make_task(f"n{i}", "square", i) for i in range(6)]
    results = run_all(executor, tasks)
    assert isinstance(results["killer"], Fault)
    assert results["killer"].error.startswith("WorkerDied: ") and "SIGKILL" in results["killer"].error
    assert [results[f"n{i}"] for i in range(6)] == [i * i for i in range(6)]
    assert results["beside"] is None and len(list(tmp_path.iterdir())) == 1


def test_a_task_receives_the_number_of_workers_that_died_on_it(executor) -> None:
    assert run_all(executor, [make_task("a", "die", 2), make_task("b", "die", 0)]) == {"a": 2, "b": 0}


def test_a_user_error_of_a_task_is_raised(executor) -> None:
    executor.submit(make_task("m", "misconfigured"))
    with pytest.raises(UserError, match="^bad setting$") as caught:
        executor.wait()
    assert caught.value.exit_code == 7
    assert executor.wait() == []


@pytest.mark.parametrize(
    ("setup", "line"),
    [
        ("refuse", "^weights missing: name a file$"),
        ("raise", "^calls could not start: OSError: no device$"),
        ("die", r"^calls could not start: its worker died 3 times \(exit code 3\)$"),
    ],
)
def test_a_stage_that_cannot_start_here_ends_the_run(executor, setup: str, line: str) -> None:
    executor.submit(make_task("a", "square", 2, Calls(setup=setup)))
    with pytest.raises(UserError, match=line):
        executor.wait()


def test_what_cannot_be_pickled_is_a_fault(executor) -> None:
    tasks = [make_task("result", "unpicklable"), make_task("payload", "square", lambda: None)]
    results = run_all(executor, tasks)
    assert all(isinstance(r, Fault) and "pickle" in r.error for r in results.values()), results
    (unreadable,) = run_all(executor, [make_task("unreadable", "unreadable")]).values()
    assert isinstance(unreadable, Fault) and "missing 1 required positional argument: 'second'" in unreadable.error


def test_a_changed_stage_of_the_same_name_is_not_mistaken_for_the_first(executor) -> None:
    first, second = Calls(offset=100), Calls(offset=200)
    tasks = [make_task(f"{s.offset}-{i}", "square", i, s) for i in range(4) for s in (first, second)]
    results = run_all(executor, tasks)
    assert results == {f"{offset}-{i}": i * i + offset for i in range(4) for offset in (100, 200)}


def test_a_wait_without_results_ends_at_its_timeout(executor) -> None:
    executor.submit(make_task("a", "sleep", 1.0))
    started = time.monotonic()
    assert executor.wait(timeout_s=0.1) == []
    assert time.monotonic() - started < 0.8
    assert len(executor.wait()) == 1


def test_workers_are_kept_and_continue_while_the_driver_is_busy(executor) -> None:
    run_all(executor, [make_task(f"s{i}", "sleep", 0.2) for i in range(2)])
    for i in range(8):
        executor.submit(make_task(f"{i}", "sleep", 0.05))
    time.sleep(1.0)  # in the driver, which does not ask for results
    done = executor.wait(timeout_s=0.05)
    assert len(done) == 8 and len({d.result for d in done}) <= 2


def test_workers_use_one_thread_in_each_kernel(executor) -> None:
    tasks = [make_task("variable", "environment", "OMP_NUM_THREADS")]
    tasks += [make_task(module, "threads", module) for module in ("cv2", "torch")]
    assert run_all(executor, tasks) == {"variable": "1", "cv2": 1, "torch": 1}


def test_gpu_tasks_are_spread_over_the_gpus(monkeypatch) -> None:
    monkeypatch.setattr(local_executor, "count_local_gpus", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    executor = LocalExecutor(workers=5, retries=0)
    try:
        whole, half = GpuCalls(1.0), GpuCalls(0.5)
        found = dict(run_all(executor, [make_task(f"{i}", "find_gpu", None, whole) for i in range(8)]).values())
        assert sorted(found.values()) == ["4", "6"]  # two workers, a GPU each, though five are allowed
        assert executor.count_slots() == 2
        found = dict(run_all(executor, [make_task(f"{i}", "find_gpu", None, half) for i in range(12)]).values())
        assert sorted(found.values()) == ["4", "4", "6", "6"]
        assert executor.count_slots() == 4
    finally:
        executor.close()


def test_a_missing_gpu_is_a_one_line_error(monkeypatch) -> None:
    monkeypatch.setattr(local_executor, "count_local_gpus", lambda: 0)
    executor = LocalExecutor(workers=1, retries=0)
    with pytest.raises(UserError, match="this machine has none that torch can use"):
        executor.submit(make_task("a", "find_gpu", None, GpuCalls(1.0)))
    executor.close()


def test_close_ends_busy_workers_at_once() -> None:
    executor = LocalExecutor(workers=1, retries=0)
    executor.submit(make_task("warm", "process_id"))
    (done,) = executor.wait()
    executor.submit(make_task("long", "sleep", 60))
    started = time.monotonic()
    executor.close()
    assert time.monotonic() - started < 5
    with pytest.raises(ProcessLookupError):
        os.kill(done.result, 0)


DRIVER = """
import sys
from pathlib import Path
from pipelines.engine.executors.local_executor import LocalExecutor
from tests.pipelines.engine.calls import make_task

if __name__ == "__main__":
    executor = LocalExecutor(workers=1, retries=0)
    executor.submit(make_task("id", "process_id"))
    print(executor.wait()[0].result, flush=True)
    executor.submit(make_task("long", "sleep", 60))
    executor.wait()
"""


def test_workers_end_when_the_driver_is_killed(tmp_path) -> None:
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    root = Path(__file__).resolve().parents[4]
    env = {**os.environ, "PYTHONPATH": str(root)}
    driver = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=env)
    worker = int(driver.stdout.readline())
    driver.kill()
    driver.wait()
    for _ in range(50):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("the worker outlives its driver by 5 s")
