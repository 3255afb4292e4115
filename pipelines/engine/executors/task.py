"""Tasks, their results, and the protocols of the stages and executors that run them."""

from dataclasses import dataclass
from typing import Protocol

from humove.stage import Resources


class Stage(Protocol):
    """Work that runs in worker processes.

    A stage is picklable and is shipped once to each worker, which keeps it under its `name`. The optional attribute
    `resources` (humove.stage.Resources) states what one task occupies; the default is one CPU.
    """

    name: str

    def setup(self) -> None:
        """Load models and files, once in each worker process. UserError: this machine can't run the stage."""

    def process(self, payload: object, attempt: int) -> object:
        """Return the result of one task. `attempt`: the number of workers that died on this task before.

        An exception becomes a Fault of this task; a UserError ends the run.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One payload for one stage."""

    task_id: str
    label: str
    """The name that users know: a uri, a clip id."""
    stage: Stage
    payload: object
    weight: float = 1.0
    """The expected duration, in any unit that is the same for all tasks of the stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An exception that the stage did not expect: a defect or a failed service, never a property of the data."""

    stage: str
    error: str
    traceback: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """A task and its result."""

    task: Task
    result: object | Fault


class Executor(Protocol):
    """A runner of tasks in worker processes. Results arrive in any order; every submitted task has exactly one."""

    def count_slots(self) -> int:
        """Return the number of tasks that can run at once now; it grows as machines join."""

    def submit(self, task: Task) -> None:
        """Queue a task; returns at once."""

    def wait(self, timeout_s: float | None = None) -> list[TaskResult]:
        """Return at least one result, or [] after the timeout or where no task is left.

        Raises the UserError of a stage.
        """

    def close(self) -> None:
        """End the workers at once; unfinished tasks have no result."""


class StepError(Exception):
    """Names the step inside a stage that raised; the cause is the exception itself."""

    def __init__(self, step: str) -> None:
        super().__init__(step)
        self.step = step


def get_resources(stage: Stage) -> Resources:
    """Return what one task of the stage occupies."""
    return getattr(stage, "resources", None) or Resources()
