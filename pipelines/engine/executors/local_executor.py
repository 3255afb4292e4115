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
from pipelines.engine.executors.gpus import GpuShares, count_gpu_workers, count_local_gpus, require_gpus
from pipelines.engine.executors.task import Stage, Task, TaskResult, get_resources
from pipelines.engine.executors.worker_context import get_worker_context
from pipelines.engine.executors.worker_process import (
    LOADED,
    MAX_DEATHS,
    READY,
    RESULT,
    SETUP_ERROR,
    make_death_fault,
    make_fault,
    read_message,
    serve_tasks,
)


@dataclass(slots=True, eq=False)
class _StageQueue:
    """A stage, pickled once, and its waiting tasks. Another stage of the same name has another queue."""

    stage: Stage
    pickled: bytes
    gpus: float
    waiting: deque["_Job"] = field(default_factory=deque)
    setup_deaths: int = 0
    """The number of consecutive workers that died in the setup."""


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
    """Whether it is setting up the stage of its job."""
    loaded: dict[str, _StageQueue] = field(default_factory=dict)
    """The loaded stages, by name."""
    gpu: str | None = None


class LocalExecutor:
    """Worker processes on this machine, each with its own models; for a GPU stage, as many as the GPUs hold.

    A worker has one task at a time, so that a dying worker affects only its own task: the worker is replaced and the
    task runs again, until it has killed MAX_DEATHS workers. A thread of the driver hands out the tasks, so that workers
    need not wait while the driver does other work.
    """

    def __init__(self, *, workers: int, retries: int) -> None:
        self._workers = workers
        self._unsettled = 0
        self._last_gpus = 0.0
        self._gpu_names: list[str] | None = None
        self._results: queue.SimpleQueue[TaskResult | BaseException] = queue.SimpleQueue()
        self._pool = _WorkerPool(workers, retries, self._results)
        atexit.register(self.close)  # before multiprocessing's own handler, which would wait for the workers

    def count_slots(self) -> int:
        """Return the number of workers; after a task with a share of a GPU, as many as the GPUs hold."""
        if self._last_gpus:
            return max(1, min(self._workers, count_gpu_workers(len(self._gpu_names or ()), self._last_gpus)))
        return self._workers

    def submit(self, task: Task) -> None:
        """Queue a task. UserError where its stage takes a GPU and there is none."""
        self._last_gpus = get_resources(task.stage).gpus
        if self._last_gpus and self._gpu_names is None:
            self._gpu_names = list_gpus()
            self._pool.gpus = GpuShares(self._gpu_names)
        self._pool.add(task)
        self._unsettled += 1

    def wait(self, timeout_s: float | None = None) -> list[TaskResult]:
        """Return at least one result, or [] after the timeout or where no task is left.

        Raises the UserError of a stage, from its setup too: there is no other machine.
        """
        found: list[TaskResult | BaseException] = []
        while self._unsettled:
            try:
                result = self._results.get(timeout=0 if found else timeout_s)
            except queue.Empty:
                break
            if isinstance(result, BaseException) and found:
                self._results.put(result)  # return the results before it first
                break
            self._unsettled -= 1
            if isinstance(result, BaseException):
                if not isinstance(result, UserError):  # the pool has ended: later calls must not wait for it
                    self._results.put(result)
                raise result
            found.append(result)
        return found

    def close(self) -> None:
        """End the workers at once. Their running tasks have no result."""
        atexit.unregister(self.close)
        self._pool.stop()
        self._unsettled = 0


def list_gpus() -> list[str]:
    """Return this machine's GPUs as CUDA_VISIBLE_DEVICES names them; UserError where there is none."""
    count = count_local_gpus()
    require_gpus(count, "this machine")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",") if visible else [str(i) for i in range(count)]


class _WorkerPool(threading.Thread):
    """The thread that starts the workers, hands out tasks and collects results."""

    def __init__(self, size: int, retries: int, results: "queue.SimpleQueue[TaskResult | BaseException]") -> None:
        super().__init__(name="local-executor", daemon=True)
        self.gpus = GpuShares([])
        self._size = size
        self._retries = retries
        self._results = results
        self._context = get_worker_context()
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
        self._wake_thread()

    def stop(self) -> None:
        """Kill the workers and end the thread; called by the driver."""
        if self._stopping:
            return
        self._stopping = True
        if self.is_alive():
            self._wake_thread()
            self.join()
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    def _wake_thread(self) -> None:
        with contextlib.suppress(BlockingIOError):  # the pipe is full of wake-ups
            os.write(self._wake_writer, b".")

    def run(self) -> None:
        try:
            while not self._stopping:
                self._read_inbox()
                self._hand_out_jobs()
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
                self._results.put(TaskResult(task=task, result=make_fault(task.stage.name, e)))
                continue
            stage_queue.waiting.append(_Job(task=task, queue=stage_queue, payload=payload, number=self._submitted))
            self._submitted += 1

    def _get_queue(self, stage: Stage) -> _StageQueue:
        """Return the queue of a stage; the stage is pickled unless it is the same object as last time."""
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

    def _hand_out_jobs(self) -> None:
        """Give each idle worker the oldest task that it can run, and start workers where tasks wait for one."""
        for worker in self._workers.values():
            if worker.ready and worker.job is None and (job := self._take_job(worker)) is not None:
                self._send_job(worker, job)
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
            return self.gpus.choose_gpu(name, stage_queue.gpus) is not None
        return self.gpus.has_room(worker.gpu, name, stage_queue.gpus, loaded=name in worker.loaded)

    def _count_startable(self, stage_queue: _StageQueue) -> int:
        """Return the number of new workers that the waiting tasks of a stage could use."""
        waiting = len(stage_queue.waiting)
        if not stage_queue.gpus:
            return waiting
        return min(waiting, self.gpus.count_free(stage_queue.stage.name, stage_queue.gpus))

    def _send_job(self, worker: _Worker, job: _Job) -> None:
        stage_queue, name = job.queue, job.task.stage.name
        if stage_queue.gpus and worker.gpu is None:
            worker.gpu = self.gpus.choose_gpu(name, stage_queue.gpus)
        worker.job = job
        worker.loading = worker.loaded.get(name) is not stage_queue
        if worker.loading:
            self._note_unload(worker, name)
            self._note_load(worker, stage_queue)
        if stage_queue.gpus:
            self.gpus.occupy_share(worker.gpu, stage_queue.gpus)
        shipped = stage_queue.pickled if worker.loading else None
        with contextlib.suppress(OSError):  # the worker died while idle: the closed connection is read next
            worker.connection.send((name, shipped, worker.gpu, job.payload, job.deaths))

    def _note_load(self, worker: _Worker, stage_queue: _StageQueue) -> None:
        worker.loaded[stage_queue.stage.name] = stage_queue
        if stage_queue.gpus:
            self.gpus.note_load(worker.gpu, stage_queue.stage.name)

    def _note_unload(self, worker: _Worker, name: str) -> None:
        stage_queue = worker.loaded.pop(name, None)
        if stage_queue is not None and stage_queue.gpus:
            self.gpus.note_unload(worker.gpu, name)

    def _start_worker(self) -> None:
        ours, theirs = self._context.Pipe()
        args = (theirs, self._retries, dict(os.environ))
        process = self._context.Process(target=serve_tasks, args=args, name="worker")
        process.start()
        theirs.close()  # so that the worker's death ends the connection
        self._workers[ours] = _Worker(process=process, connection=ours)

    def _read_message(self, worker: _Worker) -> None:
        try:
            data = worker.connection.recv_bytes()
        except (EOFError, OSError):
            self._replace_worker(worker)
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
        self._release_share(worker, job.queue)
        if kind == RESULT:
            self._results.put(TaskResult(task=job.task, result=value))
        elif kind == SETUP_ERROR:
            self._note_unload(worker, job.queue.stage.name)
            line, details, exit_code = value
            error = UserError(line, exit_code)
            error.__cause__ = RuntimeError(details)
            self._results.put(error)
        else:
            self._results.put(UserError(*value))

    def _replace_worker(self, worker: _Worker) -> None:
        """Requeue the task of a dead worker; a new worker starts with the next waiting task."""
        worker.process.join()
        worker.connection.close()
        del self._workers[worker.connection]
        for name in list(worker.loaded):
            self._note_unload(worker, name)
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
        self._release_share(worker, job.queue)
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
                self._results.put(TaskResult(task=job.task, result=fault))
                return
        job.queue.waiting.appendleft(job)

    def _release_share(self, worker: _Worker, stage_queue: _StageQueue) -> None:
        if stage_queue.gpus:
            self.gpus.release_share(worker.gpu, stage_queue.gpus)


def describe_exit(process: BaseProcess) -> str:
    """Return how a process ended, as text for messages."""
    code = process.exitcode
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
