"""Stages for the tests of executors; the payload names the action."""

import os
import signal
import time
from pathlib import Path

from humove.errors import UserError
from humove.stage import Resources
from pipelines.engine.executors.task import Executor, StepError, Task, TaskResult


class Unreadable(Exception):
    """An exception that can be pickled but not unpickled, like those of some libraries."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first)


class Calls:
    """A stage whose payload is the name of an action and its argument."""

    name = "calls"

    def __init__(self, offset: int = 0, setup: str = "") -> None:
        self.offset = offset
        self.setup_action = setup
        self.ready = False

    def setup(self) -> None:
        if self.setup_action == "refuse":
            raise UserError("weights missing: name a file")
        if self.setup_action == "raise":
            raise OSError("no device")
        if self.setup_action.startswith("refuse on "):
            import ray

            if ray.get_runtime_context().get_node_id() in self.setup_action:
                raise UserError("no GPU driver")
        if self.setup_action == "die":
            os._exit(3)
        self.ready = True

    def process(self, payload: tuple, attempt: int) -> object:
        assert self.ready
        action, value = payload
        return getattr(self, action)(value, attempt)

    def square(self, value: int, attempt: int) -> int:
        return value * value + self.offset

    def fail(self, value: str, attempt: int) -> None:
        raise StepError("fit") from ZeroDivisionError(value)

    def fail_once(self, path: str, attempt: int) -> str:
        if not Path(path).exists():
            Path(path).touch()
            raise OSError("at first")
        return "done"

    def die(self, deaths: int, attempt: int) -> int:
        if attempt < deaths:
            os.kill(os.getpid(), signal.SIGKILL)
        return attempt

    def leave_mark(self, folder: str, attempt: int) -> None:
        """Create one file for each start of the task."""
        (Path(folder) / f"{time.monotonic_ns()}").touch()
        time.sleep(2)

    def misconfigured(self, value: object, attempt: int) -> None:
        raise UserError("bad setting", 7)

    def unpicklable(self, value: object, attempt: int) -> object:
        return lambda: None

    def unreadable(self, value: object, attempt: int) -> object:
        return Unreadable("a", "b")

    def sleep(self, seconds: float, attempt: int) -> int:
        time.sleep(seconds)
        return os.getpid()

    def sleep_a_second(self, value: object, attempt: int) -> int:
        time.sleep(1)
        return attempt

    def node(self, seconds: float, attempt: int) -> str:
        import ray

        time.sleep(seconds)
        return ray.get_runtime_context().get_node_id()

    def environment(self, variable: str, attempt: int) -> str | None:
        return os.environ.get(variable)

    def threads(self, module: str, attempt: int) -> int:
        if module == "cv2":
            import cv2

            return cv2.getNumThreads()
        import torch

        return torch.get_num_threads()

    def process_id(self, value: object, attempt: int) -> int:
        return os.getpid()


class GpuCalls(Calls):
    name = "gpu calls"

    def __init__(self, gpus: float) -> None:
        super().__init__()
        self.resources = Resources(cpus=1, gpus=gpus)

    def find_gpu(self, value: object, attempt: int) -> tuple[int, str | None]:
        time.sleep(0.2)  # so that no worker does the work of all
        return os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES")


def make_task(task_id: str, action: str, value: object = None, stage: Calls | None = None) -> Task:
    return Task(task_id=task_id, label=task_id, stage=stage or STAGE, payload=(action, value))


STAGE = Calls()


def run_all(executor: Executor, tasks: list[Task]) -> dict[str, object]:
    """Return each task's result; fail where a task has two."""
    for task in tasks:
        executor.submit(task)
    results: dict[str, object] = {}
    while done := executor.wait():
        for d in done:
            assert isinstance(d, TaskResult) and d.task.task_id not in results
            results[d.task.task_id] = d.result
    assert results.keys() == {t.task_id for t in tasks}
    return results
