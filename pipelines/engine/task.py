"""Tasks, their results, and the protocols of the stages and executors that run them."""

from dataclasses import dataclass
from typing import Protocol

from humove.stage import Resources


class Stage(Protocol):
    """Work that runs in worker processes.

    A stage is picklable and is shipped once to each worker, where it is kept under its `name`. An optional attribute
    `resources` (humove.stage.Resources) names what one task occupies; without it that is one CPU.
    """

    name: str

    def setup(self) -> None:
        """Load what the stage needs, once in each worker process. UserError: this machine can't run the stage."""

    def process(self, payload: object, attempt: int) -> object:
        """Return the result of one task. `attempt`: how many times a worker died on this task before.

        Exceptions become a Fault of this task, but for UserError, which ends the run.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One payload for one stage."""

    task_id: str
    label: str
    """What users call it: a uri, a clip id."""
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
class Done:
    """A task and its result."""

    task: Task
    result: object | Fault


class Executor(Protocol):
    """Runs tasks in worker processes. Results arrive in any order; every submitted task has exactly one."""

    def slots(self) -> int:
        """Return how many tasks can run at once at this moment; grows as machines join."""

    def submit(self, task: Task) -> None:
        """Queue a task; returns at once."""

    def wait(self, timeout_s: float | None = None) -> list[Done]:
        """Return at least one result, or [] after the timeout or where no task is left.

        Raises the UserError of a stage.
        """

    def close(self) -> None:
        """End the workers at once; tasks without a result have none."""


class StepError(Exception):
    """Names the step inside a stage that raised; the cause is the exception itself."""

    def __init__(self, step: str) -> None:
        super().__init__(step)
        self.step = step


def get_resources(stage: Stage) -> Resources:
    """Return what one task of the stage occupies."""
    return getattr(stage, "resources", None) or Resources()
