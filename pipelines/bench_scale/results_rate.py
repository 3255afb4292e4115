"""How many results of a stage that does nothing an executor returns in a second."""

import time
from types import SimpleNamespace

from pipelines.engine.cpus import count_usable_cpus
from pipelines.engine.executors import make_executor
from pipelines.engine.run_tasks import run_tasks
from pipelines.engine.task import Task


class NothingStage:
    """Gives back what it is given."""

    name = "nothing"

    def setup(self) -> None:
        """Nothing to load."""

    def process(self, payload: object, attempt: int) -> object:
        return payload


def measure_results(executor_name: str, count: int) -> dict:
    """Results a second through an executor of this machine, after its workers have started."""
    execution = SimpleNamespace(executor=executor_name, workers=count_usable_cpus(), address="", retries=1)
    executor, stage = make_executor(execution), NothingStage()

    def tasks(number: int):
        return (Task(task_id=f"{i}", label=f"{i}", stage=stage, payload=i) for i in range(number))

    try:
        list(run_tasks(executor, tasks(100)))
        start = time.monotonic()
        found = sum(1 for _ in run_tasks(executor, tasks(count)))
        return {"results": found, "results_per_second": round(found / (time.monotonic() - start))}
    finally:
        executor.close()
