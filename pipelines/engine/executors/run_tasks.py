"""Run a stream of tasks on an executor, with a bounded number in flight."""

from collections.abc import Iterable, Iterator

from pipelines.engine.executors.task import Executor, Task, TaskResult


def run_tasks(executor: Executor, tasks: Iterable[Task]) -> Iterator[TaskResult]:
    """Yield the results in order of arrival; take tasks from the iterable as earlier ones end.

    More tasks than slots are in flight, so that no worker waits and new machines find work.
    """
    pending = iter(tasks)
    in_flight = 0
    exhausted = False
    while True:
        while not exhausted and in_flight < 4 * executor.count_slots() + 64:
            task = next(pending, None)
            if task is None:
                exhausted = True
                break
            executor.submit(task)
            in_flight += 1
        if not in_flight:
            return
        done = executor.wait()
        in_flight -= len(done)
        yield from done
