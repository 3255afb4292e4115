"""A stream of tasks: all of them run, a bounded number at a time."""

from collections.abc import Iterator

import pytest

from pipelines.engine.executors.local_executor import LocalExecutor
from pipelines.engine.executors.run_tasks import run_tasks
from pipelines.engine.executors.task import Task
from tests.pipelines.engine.calls import make_task


@pytest.fixture(scope="module")
def executor() -> Iterator[LocalExecutor]:
    executor = LocalExecutor(workers=2, retries=0)
    yield executor
    executor.close()


def test_every_task_has_a_result_and_few_are_in_flight(executor) -> None:
    taken = 0
    finished = 0
    most = 0

    def produce() -> Iterator[Task]:
        nonlocal taken, most
        for i in range(1000):
            taken += 1
            most = max(most, taken - finished)
            yield make_task(f"{i}", "square", i)

    results = {}
    for done in run_tasks(executor, produce()):
        finished += 1
        results[done.task.task_id] = done.result
    assert results == {f"{i}": i * i for i in range(1000)}
    # The window, and the results of one wait that this loop had not come to yet.
    assert 2 < most <= 2 * (4 * executor.count_slots() + 64)


def test_no_tasks_are_no_results(executor) -> None:
    assert list(run_tasks(executor, [])) == []
