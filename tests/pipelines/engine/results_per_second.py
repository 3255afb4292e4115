"""Print how many results of a stage that does next to nothing each executor returns in a second.

Run as `python -m tests.pipelines.engine.results_per_second [local|ray]` in the repository's root.
"""

import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

from pipelines.engine.executors.make import make_executor
from pipelines.engine.executors.run_tasks import run_tasks
from tests.pipelines.engine.calls import make_task


def measure(name: str, count: int) -> None:
    execution = SimpleNamespace(executor=name, workers=2, address="", retries=1)
    executor = make_executor(execution)
    try:
        list(run_tasks(executor, (make_task(f"{i}", "square", i) for i in range(100))))  # workers have started
        started = time.perf_counter()
        found = sum(1 for _ in run_tasks(executor, (make_task(f"{i}", "square", i) for i in range(count))))
        print(f"{name}: {found / (time.perf_counter() - started):.0f} results/s over {found} tasks")
    finally:
        executor.close()


if __name__ == "__main__":
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parents[3])  # so that Ray's workers find the stage
    for executor_name in sys.argv[1:] or ("local", "ray"):
        measure(executor_name, 20_000)
