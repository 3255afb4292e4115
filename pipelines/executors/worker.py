"""What a worker does with one item: the same for every executor. The only place that catches every exception."""

import os
import signal
import threading
import time
import traceback

from humove.errors import UserError
from humove.stage import Emit, Reject, Stage
from pipelines.work import Done, Fault, Work


class StepError(Exception):
    """Carries the name of the step inside a stage that raised; the cause is the exception itself."""

    def __init__(self, step: str) -> None:
        super().__init__(step)
        self.step = step


def attempt(stage: Stage, work: Work, retries: int) -> list[Done]:
    """Runs one item; after a fault tries again, then takes it apart, so that only the piece that fails is lost.

    Raises UserError through: the whole build is misconfigured then, not one item.
    """
    for last in [False] * retries + [True]:
        try:
            return [Done(work=work, outcome=_one(stage, work))]
        except UserError:
            raise
        except Exception as e:  # a fault: isolated, kept with its traceback, counted
            if not last:
                continue
            if work.parts:
                return [done for part in work.parts for done in attempt(stage, part, retries)]
            return [Done(work=work, outcome=fault_of(stage, e))]
    raise ValueError(f"retries is {retries}; use 0 or more")


def _one(stage: Stage, work: Work) -> Emit | Reject:
    outcomes = stage.process([work.payload])
    if len(outcomes) != 1:
        raise RuntimeError(f"stage {stage.name} gave {len(outcomes)} outcomes for 1 input")
    return outcomes[0]


def fault_of(stage: Stage, error: BaseException) -> Fault:
    cause = error.__cause__ if isinstance(error, StepError) and error.__cause__ else error
    return Fault(
        stage=error.step if isinstance(error, StepError) else stage.name,
        error=f"{type(cause).__name__}: {cause}".splitlines()[0][:500],
        traceback="".join(traceback.format_exception(error)),
    )


def one_thread_a_kernel() -> None:
    """Workers are the parallelism; threads inside a kernel would make results depend on the machine's load.

    Torch and numpy's BLAS read the variable when they are imported, which comes later.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    import cv2

    cv2.setNumThreads(1)


def follow_parent() -> None:
    """Ends this worker process when the driver is gone, however it went; an interrupt is the driver's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
