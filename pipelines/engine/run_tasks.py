"""A stream of tasks through an executor, with a bounded number in flight."""

from collections.abc import Iterable, Iterator

from pipelines.engine.task import Done, Executor, Task


def run_tasks(executor: Executor, tasks: Iterable[Task]) -> Iterator[Done]:
    """Yield the result of each task as it arrives, in any order; takes tasks from the iterable as room is made.

    More tasks than slots are in flight, so that no worker waits and machines that join find work.
    """
    pending = iter(tasks)
    in_flight = 0
    exhausted = False
    while True:
        while not exhausted and in_flight < 4 * executor.slots() + 64:
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
