"""The code of a worker process, the same for every executor. The only place that catches all exceptions.

It imports nothing heavy: numpy and torch read their number of threads at import, which must come after
`limit_threads`.
"""

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection

from humove.errors import UserError
from pipelines.engine.executors.task import Fault, Stage, StepError

MAX_DEATHS = 3
"""After so many deaths of workers a task is a Fault."""

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
)

READY, LOADED, RESULT, USER_ERROR, SETUP_ERROR = "ready", "loaded", "result", "user error", "setup error"
"""The kinds of messages from a local worker to the driver."""


def serve_tasks(connection: Connection, retries: int, environment: dict[str, str]) -> None:
    """Run the tasks that arrive on a connection until it closes: the main function of a local worker.

    `environment` is the driver's: the server that workers are forked from keeps its initial one.
    """
    os.environ.clear()
    os.environ.update(environment)
    end_with_parent()
    limit_threads()
    stages: dict[str, Stage] = {}
    connection.send((READY, None))
    while True:
        try:
            name, shipped, gpu, payload, attempt = connection.recv()
        except EOFError:
            return
        if gpu is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = gpu
        if shipped is not None:
            stages.pop(name, None)  # an earlier stage of this name: its models must not stay in memory
            try:
                stage = pickle.loads(shipped)
                set_up_stage(stage, retries)
            except Exception as e:  # reported, and raised by the driver
                connection.send((SETUP_ERROR, describe_setup_error(name, e)))
                continue
            stages[name] = stage
            connection.send((LOADED, None))
        connection.send_bytes(_run_pickled(stages[name], payload, attempt, retries))


def _run_pickled(stage: Stage, payload: bytes, attempt: int, retries: int) -> bytes:
    """Run one task and return its message, pickled here so that an unpicklable result is a Fault of the task."""
    try:
        result = run_task(stage, pickle.loads(payload), attempt, retries)
        return pickle.dumps((RESULT, result), protocol=pickle.HIGHEST_PROTOCOL)
    except UserError as e:
        return pickle.dumps((USER_ERROR, (str(e), e.exit_code)))
    except Exception as e:  # the payload or the result can't be pickled; exceptions of the stage are Faults already
        return pickle.dumps((RESULT, make_fault(stage.name, e)))


def read_message(data: bytes, stage_name: str) -> tuple[str, object]:
    """Return the (kind, value) of a worker's message; a result that can't be unpickled here is a Fault of the task."""
    try:
        return pickle.loads(data)
    except Exception as e:  # unpickling runs code of the result's classes
        return RESULT, make_fault(stage_name, e)


def run_task(stage: Stage, payload: object, attempt: int, retries: int) -> object | Fault:
    """Run one task, again after an exception up to `retries` times; the last exception becomes a Fault.

    A UserError is raised: it concerns the whole run, not one task.
    """
    for tries_left in range(retries, -1, -1):
        try:
            return stage.process(payload, attempt)
        except UserError:
            raise
        except Exception as e:  # isolated: becomes a Fault with its traceback
            if tries_left == 0:
                return make_fault(stage.name, e)
    raise ValueError(f"retries is {retries}; use 0 or more")


def set_up_stage(stage: Stage, retries: int) -> None:
    """Call the stage's setup, again after an exception other than UserError."""
    for tries_left in range(retries, -1, -1):
        try:
            stage.setup()
            break
        except UserError:
            raise
        except Exception:
            if tries_left == 0:
                raise
    limit_threads()  # in the libraries that the setup imported


SetupError = tuple[str, str, int]
"""One line, the traceback and the exit code of a setup that failed: plain values, since the exception's class may not
be importable where they are read."""

_stages: dict[str, tuple[str, Stage]] = {}
"""(key, stage) by name, of the stages that this Ray worker has set up."""


def run_batch(
    name: str,
    key: str,
    load_stage: Callable[[], Stage],
    jobs: Sequence[tuple[bytes, int]],
    retries: int,
    budget_s: float,
) -> tuple[list[tuple[bytes, float]], SetupError | None]:
    """Run (pickled payload, attempt) pairs one after the other until `budget_s` is spent, at least one.

    Returns (pickled message, seconds) of each task that ran, and the setup error of the stage or None.
    """
    if _stages.get(name, ("", None))[0] != key:
        _stages.pop(name, None)  # an earlier stage of this name: its models must not stay in memory
        limit_threads()
        try:
            stage = load_stage()
            set_up_stage(stage, retries)
        except Exception as e:  # reported: the driver runs the tasks on other machines
            return [], describe_setup_error(name, e)
        _stages[name] = (key, stage)
    messages: list[tuple[bytes, float]] = []
    begun = time.monotonic()
    for payload, attempt in jobs:
        started = time.monotonic()
        if messages and started - begun > budget_s:
            break
        message = _run_pickled(_stages[name][1], payload, attempt, retries)
        messages.append((message, time.monotonic() - started))
    return messages, None


def make_fault(stage_name: str, error: BaseException) -> Fault:
    """Return the Fault of an exception; a StepError names the step."""
    cause = error.__cause__ if isinstance(error, StepError) and error.__cause__ else error
    return Fault(
        stage=error.step if isinstance(error, StepError) else stage_name,
        error=format_error(cause),
        traceback="".join(traceback.format_exception(error)),
    )


def make_death_fault(stage_name: str, detail: str = "") -> Fault:
    """Return the Fault of a task during which MAX_DEATHS workers died."""
    text = "the worker process died while it worked on this item (killed, out of memory, or a crash in a library)"
    text += f", {MAX_DEATHS} times{f'; the last time: {detail}' if detail else ''}"
    return Fault(stage=stage_name, error=f"WorkerDied: {text}", traceback=text)


def format_error(error: BaseException) -> str:
    """Return an exception in one line of bounded length."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:500]


def describe_setup_error(stage_name: str, error: BaseException) -> tuple[str, str, int]:
    """Return (one line, traceback, exit code) of an exception in a stage's setup."""
    details = "".join(traceback.format_exception(error))
    if isinstance(error, UserError):
        return str(error), details, error.exit_code
    return f"{stage_name} could not start: {format_error(error)}", details, UserError("").exit_code


def limit_threads() -> None:
    """Limit numerical libraries to one thread.

    The workers are the parallelism, and threads in a kernel would make results depend on the machine's load. Libraries
    that are imported later read the variables.
    """
    for variable in THREAD_VARIABLES:
        os.environ[variable] = "1"
    if (cv2 := sys.modules.get("cv2")) is not None:
        cv2.setNumThreads(1)
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(1)


def end_with_parent() -> None:
    """End this process when the driver ends for any reason; the driver handles interrupts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def wait_for_parent() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait_for_parent, daemon=True).start()
