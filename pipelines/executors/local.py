"""Worker processes on this machine: the reference executor."""

import multiprocessing
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from humove.stage import Stage
from pipelines.executors.worker import attempt, follow_parent, one_thread_a_kernel
from pipelines.work import Done, Fault, Work, longest_first

_ready: dict[str, Stage] = {}
"""The stages that this worker has set up."""


def _set_up() -> None:
    follow_parent()
    one_thread_a_kernel()


def _run(stage: Stage, work: Work, retries: int) -> list[Done]:
    if stage.name not in _ready:
        stage.setup()
        _ready[stage.name] = stage
    return attempt(_ready[stage.name], work, retries)


class LocalExecutor:
    """`workers` processes, each with its own models, kept from stage to stage.

    A worker that dies costs the item that killed it, no more.
    """

    def __init__(self, *, workers: int, retries: int) -> None:
        self.workers = workers
        self.retries = retries
        self._pool: ProcessPoolExecutor | None = None

    def map(self, stage: Stage, works: Sequence[Work]) -> Iterator[Done]:
        waiting = deque(longest_first(works))
        suspects: list[Work] = []
        while waiting:
            running: dict[Future, Work] = {}
            try:
                while waiting or running:
                    # A few more than the workers, so that none waits; not all, so that memory is bounded.
                    while waiting and len(running) < 2 * self.workers:
                        running[self._submit(stage, waiting[0])] = waiting[0]
                        waiting.popleft()
                    finished, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in finished:
                        done = future.result()
                        del running[future]
                        yield from done
            except BrokenProcessPool:
                self.close()
                suspects.extend(running.values())
        for work in suspects:
            yield from self._alone(stage, work)

    def _alone(self, stage: Stage, work: Work) -> Iterator[Done]:
        """Runs one item with nothing beside it: a worker died, and this item may have been the one that killed it."""
        try:
            yield from self._submit(stage, work).result()
        except BrokenProcessPool:
            self.close()
            if work.parts:
                for part in work.parts:
                    yield from self._alone(stage, part)
            else:
                yield Done(work=work, outcome=died(stage))

    def _submit(self, stage: Stage, work: Work) -> Future:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                max_workers=self.workers, mp_context=multiprocessing.get_context("spawn"), initializer=_set_up
            )
        return self._pool.submit(_run, stage, work, self.retries)

    def close(self) -> None:
        """Ends the workers at once. What one was at is not recorded, and is done again by the next build."""
        if self._pool is not None:
            for worker in multiprocessing.active_children():
                worker.kill()
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


def died(stage: Stage) -> Fault:
    text = "the worker process died while it worked on this item (killed, out of memory, or a crash in a library)"
    return Fault(stage=stage.name, error=f"WorkerDied: {text}", traceback=text)
