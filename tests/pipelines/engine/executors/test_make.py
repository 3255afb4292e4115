"""The executor that a configuration names."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from pipelines.engine.executors.cpus import count_usable_cpus
from pipelines.engine.executors.make import make_executor


@pytest.mark.parametrize(("workers", "slots"), [(0, count_usable_cpus()), (5, 5)])
def test_locally_there_are_as_many_workers_as_usable_cores(workers: int, slots: int) -> None:
    executor = make_executor(SimpleNamespace(executor="local", workers=workers, address="", retries=0))
    assert executor.count_slots() == slots
    executor.close()


SCRIPT = """
from types import SimpleNamespace
from pipelines.engine.executors.make import make_executor
from pipelines.engine.executors.run_tasks import run_tasks
from pipelines.engine.executors.task import Task

class Square:
    name = "square"

    def setup(self): ...

    def process(self, payload, attempt):
        return payload * payload

if __name__ == "__main__":
    executor = make_executor(SimpleNamespace(executor="ray", workers=1, address="", retries=0))
    stage = Square()
    done = list(run_tasks(executor, [Task(task_id=str(i), label="", stage=stage, payload=i) for i in range(3)]))
    print(executor.count_slots(), sorted(d.result for d in done))
    executor.close()
"""


def test_a_ray_is_started_here_from_any_folder_and_uses_nothing_deprecated(tmp_path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-W", "default", "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "1 [0, 1, 4]\n", done.stdout + done.stderr
    assert "DeprecationWarning" not in done.stderr and "FutureWarning" not in done.stderr, done.stderr
