"""Worker processes on this machine: the reference executor."""

import multiprocessing
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from humove.stage import Stage
from pipelines.executors.worker import attempt, follow_parent, one_thread_a_kernel
from pipelines.work import Done, Fault, Work, longest_first

_stage: Stage | None = None
_failure: Exception | None = None


def _set_up(stage: Stage) -> None:
    """Keeps an exception for the first item to raise: from here it would only break the pool, its text lost."""
    global _stage, _failure
    follow_parent()
    one_thread_a_kernel()
    try:
        stage.setup()
    except Exception as e:
        _failure = e
    _stage = stage


def _run(work: Work, retries: int) -> list[Done]:
    if _failure is not None:
        raise _failure
    return attempt(_stage, work, retries)


class LocalExecutor:
    """`workers` processes, each with its own models. A worker that dies costs the item that killed it, no more."""

    def __init__(self, *, workers: int, retries: int) -> None:
        self.workers = workers
        self.retries = retries

    def map(self, stage: Stage, works: Sequence[Work]) -> Iterator[Done]:
        waiting = deque(longest_first(works))
        suspects: list[Work] = []
        while waiting:
            pool = self._pool(stage, min(self.workers, len(waiting)))
            running: dict[Future, Work] = {}
            try:
                while waiting or running:
                    # A few more than the workers, so that none waits; not all, so that memory is bounded.
                    while waiting and len(running) < 2 * self.workers:
                        work = waiting.popleft()
                        running[pool.submit(_run, work, self.retries)] = work
                    finished, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in finished:
                        done = future.result()
                        del running[future]
                        yield from done
            except BrokenProcessPool:
                suspects.extend(running.values())
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
        for work in suspects:
            yield from self._alone(stage, work)

    def _alone(self, stage: Stage, work: Work) -> Iterator[Done]:
        """Runs one item in a process of its own: a worker died, and this item may have been the one that killed it."""
        pool = self._pool(stage, 1)
        try:
            yield from pool.submit(_run, work, self.retries).result()
        except BrokenProcessPool:
            if work.parts:
                for part in work.parts:
                    yield from self._alone(stage, part)
            else:
                yield Done(work=work, outcome=died(stage))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _pool(self, stage: Stage, workers: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            max_workers=workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_set_up,
            initargs=(stage,),
        )

    def close(self) -> None:
        """Nothing is left running between maps."""


def died(stage: Stage) -> Fault:
    text = "the worker process died while it worked on this item (killed, out of memory, or a crash in a library)"
    return Fault(stage=stage.name, error=f"WorkerDied: {text}", traceback=text)
