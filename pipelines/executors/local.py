"""Worker processes on this machine: the reference executor."""

import multiprocessing
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.sharedctypes import Synchronized

from humove.stage import Stage
from pipelines.executors.gpus import gpus_here, require_gpus, workers_on
from pipelines.executors.worker import attempt, follow_parent, one_thread_a_kernel
from pipelines.work import Done, Fault, Work, longest_first

_ready: dict[str, Stage] = {}
"""The stages that this worker has set up."""


def _set_up(started: Synchronized, gpus: tuple[str, ...]) -> None:
    """Makes the process a worker; the workers of a pool take its GPUs in turn."""
    follow_parent()
    one_thread_a_kernel()
    if gpus:
        with started.get_lock():
            os.environ["CUDA_VISIBLE_DEVICES"] = gpus[started.value % len(gpus)]
            started.value += 1


def _run(stage: Stage, work: Work, retries: int) -> list[Done]:
    if stage.name not in _ready:
        stage.setup()
        _ready[stage.name] = stage
    return attempt(_ready[stage.name], work, retries)


class LocalExecutor:
    """`workers` processes, each with its own models, kept from stage to stage; of a stage that takes a share of a GPU,
    as many at the most as the GPUs hold.

    A worker that dies costs the item that killed it, no more. `placed` says that somebody else has chosen the GPU and
    counted the workers.
    """

    def __init__(self, *, workers: int, retries: int, placed: bool = False) -> None:
        self.workers = workers
        self.retries = retries
        self.placed = placed
        self._pool: ProcessPoolExecutor | None = None
        self._size, self._gpus = workers, ()

    def gpus(self) -> int:
        """This machine's; UserError where it has none."""
        there = gpus_here()
        require_gpus(there, "this machine")
        return there

    def map(self, stage: Stage, works: Sequence[Work]) -> Iterator[Done]:
        self._fit(stage)
        waiting = deque(longest_first(works))
        suspects: list[Work] = []
        while waiting:
            running: dict[Future, Work] = {}
            try:
                while waiting or running:
                    # A few more than the workers, so that none waits; not all, so that memory is bounded.
                    while waiting and len(running) < 2 * self._size:
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

    def _fit(self, stage: Stage) -> None:
        """Makes the next pool one of this stage's size, where that is another."""
        size, gpus = self.workers, ()
        if stage.resources.gpus and not self.placed:
            there = self.gpus()
            size = min(size, workers_on(there, stage.resources.gpus))
            given = os.environ.get("CUDA_VISIBLE_DEVICES")
            gpus = tuple(given.split(",") if given else map(str, range(there)))
        if (size, gpus) != (self._size, self._gpus):
            self.close()
            self._size, self._gpus = size, gpus

    def _submit(self, stage: Stage, work: Work) -> Future:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(
                max_workers=self._size,
                mp_context=context,
                initializer=_set_up,
                initargs=(context.Value("i", 0), self._gpus),
            )
        return self._pool.submit(_run, stage, work, self.retries)

    def close(self) -> None:
        """Ends the workers at once. What one was at is not recorded, and is done again by the next build."""
        if self._pool is not None:
            # The pool's own alone: the caller may have other children (a loader's) that are none of ours to kill.
            for worker in list((self._pool._processes or {}).values()):
                worker.kill()
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


def died(stage: Stage) -> Fault:
    text = "the worker process died while it worked on this item (killed, out of memory, or a crash in a library)"
    return Fault(stage=stage.name, error=f"WorkerDied: {text}", traceback=text)
