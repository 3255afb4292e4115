"""The rate of results of an executor whose stage does nothing."""

import time
from types import SimpleNamespace

from pipelines.engine.executors.cpus import count_usable_cpus
from pipelines.engine.executors.make import make_executor
from pipelines.engine.executors.run_tasks import run_tasks
from pipelines.engine.executors.task import Task


class NoopStage:
    """A stage that returns its payload."""

    name = "nothing"

    def setup(self) -> None:
        """Load nothing."""

    def process(self, payload: object, attempt: int) -> object:
        return payload


def measure_results(executor_name: str, count: int) -> dict:
    """Measure the results per second of an executor of this machine, after its workers have started."""
    execution = SimpleNamespace(executor=executor_name, workers=count_usable_cpus(), address="", retries=1)
    executor, stage = make_executor(execution), NoopStage()

    def make_tasks(number: int):
        return (Task(task_id=f"{i}", label=f"{i}", stage=stage, payload=i) for i in range(number))

    try:
        list(run_tasks(executor, make_tasks(100)))
        start = time.monotonic()
        found = sum(1 for _ in run_tasks(executor, make_tasks(count)))
        return {"results": found, "results_per_second": round(found / (time.monotonic() - start))}
    finally:
        executor.close()
