"""The executor that a configuration names."""

from collections.abc import Callable
from typing import Protocol

from pipelines.engine.executors.cpus import count_usable_cpus
from pipelines.engine.executors.task import Executor


class Execution(Protocol):
    """The settings of a configuration's `execution` section that choose an executor."""

    executor: str
    workers: int
    address: str
    retries: int


def make_executor(execution: Execution, notify: Callable[[str], None] | None = None) -> Executor:
    """Return the executor of the settings `execution`; `notify` receives messages for the user (a lost machine).

    `workers` is the largest number of tasks at once; 0 uses all of this machine, or of the cluster.
    """
    if execution.executor == "ray":
        from pipelines.engine.executors.ray_executor import RayExecutor

        return RayExecutor(
            address=execution.address, workers=execution.workers, retries=execution.retries, notify=notify
        )
    from pipelines.engine.executors.local_executor import LocalExecutor

    return LocalExecutor(workers=execution.workers or count_usable_cpus(), retries=execution.retries)
