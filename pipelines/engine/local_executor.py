"""Worker processes on this machine: the reference executor."""

import atexit
import contextlib
import os
import pickle
import queue
import signal
import threading
from collections import deque
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from humove.errors import UserError
from pipelines.engine.gpus import GpuShares, gpus_here, require_gpus, workers_on
from pipelines.engine.task import Done, Stage, Task, get_resources
from pipelines.engine.worker_context import worker_context
from pipelines.engine.worker_process import (
    LOADED,
    MAX_DEATHS,
    READY,
    RESULT,
    SETUP_ERROR,
    make_death_fault,
    make_fault,
    read_message,
    serve,
)


@dataclass(slots=True, eq=False)
class _StageQueue:
    """A stage, pickled once, and its tasks that wait. Another stage of the same name has another queue."""

    stage: Stage
    pickled: bytes
    gpus: float
    waiting: deque["_Job"] = field(default_factory=deque)
    setup_deaths: int = 0
    """Workers that died in the setup, one after the other."""


@dataclass(slots=True, eq=False)
class _Job:
    task: Task
    queue: _StageQueue
    payload: bytes
    number: int
    """The order of submission."""
    deaths: int = 0


@dataclass(slots=True, eq=False)
class _Worker:
    process: BaseProcess
    connection: Connection
    ready: bool = False
    job: _Job | None = None
    loading: bool = False
    """Whether the stage of its job is being set up."""
    loaded: dict[str, _StageQueue] = field(default_factory=dict)
    """The stages that it holds, by name."""
    gpu: str | None = None


class LocalExecutor:
    """`workers` processes, each with its own models, kept from task to task; of a stage that takes a share of a GPU, as
    many as the GPUs hold.

    A worker has one task at a time, so that a worker that dies costs its own task alone: the worker is replaced and the
    task runs again, until it has killed MAX_DEATHS workers. A thread of the driver hands out the tasks, so that workers
    need not wait while the driver does other work.
    """

    def __init__(self, *, workers: int, retries: int) -> None:
        self._workers = workers
        self._unsettled = 0
        self._last_gpus = 0.0
        self._gpu_names: list[str] | None = None
        self._results: queue.SimpleQueue[Done | BaseException] = queue.SimpleQueue()
        self._pool = _WorkerPool(workers, retries, self._results)
        atexit.register(self.close)  # before multiprocessing's own handler, which would wait for the workers

    def slots(self) -> int:
        """Return the number of workers; after a task with a share of a GPU, as many as the GPUs hold."""
        if self._last_gpus:
            return max(1, min(self._workers, workers_on(len(self._gpu_names or ()), self._last_gpus)))
        return self._workers

    def submit(self, task: Task) -> None:
        """Queue a task. UserError where its stage takes a GPU and there is none."""
        self._last_gpus = get_resources(task.stage).gpus
        if self._last_gpus and self._gpu_names is None:
            self._gpu_names = list_gpus()
            self._pool.gpus = GpuShares(self._gpu_names)
        self._pool.add(task)
        self._unsettled += 1

    def wait(self, timeout_s: float | None = None) -> list[Done]:
        """Return at least one result, or [] after the timeout or where no task is left.

        Raises the UserError of a stage, from its setup too: there is no other machine.
        """
        found: list[Done | BaseException] = []
        while self._unsettled:
            try:
                result = self._results.get(timeout=0 if found else timeout_s)
            except queue.Empty:
                break
            if isinstance(result, BaseException) and found:
                self._results.put(result)  # the results before it come first
                break
            self._unsettled -= 1
            if isinstance(result, BaseException):
                if not isinstance(result, UserError):  # the pool has ended: no later call may wait for it
                    self._results.put(result)
                raise result
            found.append(result)
        return found

    def close(self) -> None:
        """End the workers at once. Tasks that they were at have no result."""
        atexit.unregister(self.close)
        self._pool.stop()
        self._unsettled = 0


def list_gpus() -> list[str]:
    """Return this machine's GPUs as CUDA_VISIBLE_DEVICES names them; UserError where there is none."""
    there = gpus_here()
    require_gpus(there, "this machine")
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    return given.split(",") if given else [str(i) for i in range(there)]


class _WorkerPool(threading.Thread):
    """The thread that starts the workers, hands out tasks and collects results."""

    def __init__(self, size: int, retries: int, results: "queue.SimpleQueue[Done | BaseException]") -> None:
        super().__init__(name="local-executor", daemon=True)
        self.gpus = GpuShares([])
        self._size = size
        self._retries = retries
        self._results = results
        self._context = worker_context()
        self._inbox: deque[Task] = deque()
        self._queues: list[_StageQueue] = []
        self._workers: dict[Connection, _Worker] = {}
        self._submitted = 0
        self._start_deaths = 0
        self._stopping = False
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_reader, False)
        os.set_blocking(self._wake_writer, False)

    def add(self, task: Task) -> None:
        """Queue a task; called by the driver."""
        if not self.is_alive():
            self.start()
        self._inbox.append(task)
        self._wake()

    def stop(self) -> None:
        """Kill the workers and end the thread; called by the driver."""
        if self._stopping:
            return
        self._stopping = True
        if self.is_alive():
            self._wake()
            self.join()
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # the pipe is full of wake-ups
            os.write(self._wake_writer, b".")

    def run(self) -> None:
        try:
            while not self._stopping:
                self._read_inbox()
                self._hand_out()
                for source in wait([self._wake_reader, *self._workers]):
                    if isinstance(source, Connection):
                        self._read_message(self._workers[source])
                    else:
                        os.read(source, 65536)
        except BaseException as e:  # a defect of the executor itself must reach the driver, not end in a thread
            self._results.put(e)
        finally:
            for worker in self._workers.values():
                worker.process.kill()
            for worker in self._workers.values():
                worker.process.join()
                worker.connection.close()

    def _read_inbox(self) -> None:
        while self._inbox:
            task = self._inbox.popleft()
            try:
                stage_queue = self._get_queue(task.stage)
                payload = pickle.dumps(task.payload, protocol=pickle.HIGHEST_PROTOCOL)
            except Exception as e:  # pickling runs code of the stage's classes
                self._results.put(Done(task=task, result=make_fault(task.stage.name, e)))
                continue
            stage_queue.waiting.append(_Job(task=task, queue=stage_queue, payload=payload, number=self._submitted))
            self._submitted += 1

    def _get_queue(self, stage: Stage) -> _StageQueue:
        """The queue of a stage; the stage is pickled unless it is the very object that was pickled last."""
        known = next((q for q in self._queues if q.stage is stage), None)
        if known is not None:
            return known
        pickled = pickle.dumps(stage, protocol=pickle.HIGHEST_PROTOCOL)
        known = next((q for q in self._queues if q.stage.name == stage.name and q.pickled == pickled), None)
        if known is None:
            known = _StageQueue(stage=stage, pickled=pickled, gpus=get_resources(stage).gpus)
            # An earlier stage of the name goes once its tasks are handed out.
            self._queues = [q for q in self._queues if q.stage.name != stage.name or q.waiting] + [known]
        known.stage = stage
        return known

    def _hand_out(self) -> None:
        """Give each idle worker the oldest task that it can run, and start workers where tasks wait for one."""
        for worker in self._workers.values():
            if worker.ready and worker.job is None and (job := self._take_job(worker)) is not None:
                self._send(worker, job)
        starting = sum(not w.ready for w in self._workers.values())
        wanted = sum(self._count_startable(q) for q in self._queues)
        for _ in range(min(self._size - len(self._workers), wanted - starting)):
            self._start_worker()

    def _take_job(self, worker: _Worker) -> _Job | None:
        queues = [q for q in self._queues if q.waiting and self._can_run(worker, q)]
        if not queues:
            return None
        return min(queues, key=lambda q: q.waiting[0].number).waiting.popleft()

    def _can_run(self, worker: _Worker, stage_queue: _StageQueue) -> bool:
        if not stage_queue.gpus:
            return True
        name = stage_queue.stage.name
        if worker.gpu is None:
            return self.gpus.choose(name, stage_queue.gpus) is not None
        return self.gpus.has_room(worker.gpu, name, stage_queue.gpus, loaded=name in worker.loaded)

    def _count_startable(self, stage_queue: _StageQueue) -> int:
        """How many new workers the waiting tasks of a stage could use."""
        waiting = len(stage_queue.waiting)
        if not stage_queue.gpus:
            return waiting
        return min(waiting, self.gpus.count_free(stage_queue.stage.name, stage_queue.gpus))

    def _send(self, worker: _Worker, job: _Job) -> None:
        stage_queue, name = job.queue, job.task.stage.name
        if stage_queue.gpus and worker.gpu is None:
            worker.gpu = self.gpus.choose(name, stage_queue.gpus)
        worker.job = job
        worker.loading = worker.loaded.get(name) is not stage_queue
        if worker.loading:
            self._unload(worker, name)
            self._load(worker, stage_queue)
        if stage_queue.gpus:
            self.gpus.occupy(worker.gpu, stage_queue.gpus)
        shipped = stage_queue.pickled if worker.loading else None
        with contextlib.suppress(OSError):  # the worker died while it was idle: its connection's end is read next
            worker.connection.send((name, shipped, worker.gpu, job.payload, job.deaths))

    def _load(self, worker: _Worker, stage_queue: _StageQueue) -> None:
        worker.loaded[stage_queue.stage.name] = stage_queue
        if stage_queue.gpus:
            self.gpus.load(worker.gpu, stage_queue.stage.name)

    def _unload(self, worker: _Worker, name: str) -> None:
        stage_queue = worker.loaded.pop(name, None)
        if stage_queue is not None and stage_queue.gpus:
            self.gpus.unload(worker.gpu, name)

    def _start_worker(self) -> None:
        here, there = self._context.Pipe()
        process = self._context.Process(target=serve, args=(there, self._retries, dict(os.environ)), name="worker")
        process.start()
        there.close()  # so that the worker's death ends the connection
        self._workers[here] = _Worker(process=process, connection=here)

    def _read_message(self, worker: _Worker) -> None:
        try:
            data = worker.connection.recv_bytes()
        except (EOFError, OSError):
            self._replace(worker)
            return
        kind, value = read_message(data, worker.job.task.stage.name if worker.job else "")
        if kind == READY:
            worker.ready = True
            self._start_deaths = 0
            return
        job = worker.job
        if kind == LOADED:
            worker.loading = False
            job.queue.setup_deaths = 0
            return
        worker.job = None
        self._release(worker, job.queue)
        if kind == RESULT:
            self._results.put(Done(task=job.task, result=value))
        elif kind == SETUP_ERROR:
            self._unload(worker, job.queue.stage.name)
            line, details, exit_code = value
            error = UserError(line, exit_code)
            error.__cause__ = RuntimeError(details)
            self._results.put(error)
        else:
            self._results.put(UserError(*value))

    def _replace(self, worker: _Worker) -> None:
        """Take a dead worker's task back; a new worker starts with the next task that waits."""
        worker.process.join()
        worker.connection.close()
        del self._workers[worker.connection]
        for name in list(worker.loaded):
            self._unload(worker, name)
        if not worker.ready:
            self._start_deaths += 1
            if self._start_deaths >= MAX_DEATHS:
                raise RuntimeError(
                    f"{MAX_DEATHS} worker processes died as they started ({describe_exit(worker.process)}); a script "
                    'that starts a build needs `if __name__ == "__main__":` around its calls'
                )
        job = worker.job
        if job is None:
            return
        self._release(worker, job.queue)
        if worker.loading:
            job.queue.setup_deaths += 1
            if job.queue.setup_deaths >= MAX_DEATHS:
                line = f"{job.queue.stage.name} could not start: its worker died {MAX_DEATHS} times"
                self._results.put(UserError(f"{line} ({describe_exit(worker.process)})"))
                return
        else:
            job.deaths += 1
            if job.deaths >= MAX_DEATHS:
                fault = make_death_fault(job.queue.stage.name, describe_exit(worker.process))
                self._results.put(Done(task=job.task, result=fault))
                return
        job.queue.waiting.appendleft(job)

    def _release(self, worker: _Worker, stage_queue: _StageQueue) -> None:
        if stage_queue.gpus:
            self.gpus.release(worker.gpu, stage_queue.gpus)


def describe_exit(process: BaseProcess) -> str:
    """Return how a process ended, for people."""
    code = process.exitcode
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
