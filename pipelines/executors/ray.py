"""Ray Data: one actor pool a stage, on this machine or on a cluster. The only module that imports ray for builds."""

import logging
import os
from collections.abc import Iterator, Sequence

import numpy as np

from humove.errors import UserError
from humove.stage import Stage
from pipelines.executors.gpus import require_gpus, workers_on
from pipelines.executors.local import LocalExecutor, died
from pipelines.work import Done, Work, longest_first


class _Actor:
    """A stage in a Ray worker, in one process of its own.

    A crash then ends that process and not the actor: Ray Data does not reliably replace an actor that dies under its
    work, and an execution with a dead actor in its pool never ends.
    """

    def __init__(self, stage: Stage, retries: int) -> None:
        self.stage = stage
        self.local = LocalExecutor(workers=1, retries=retries, placed=True)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        rows: list[Done | Exception] = []
        try:
            for work in batch["work"]:
                rows.extend(self.local.map(self.stage, [work]))
        except Exception as e:  # of the set-up or the user's: raised by the driver, as the local executor raises it
            rows.append(e)
        column = np.empty(len(rows), dtype=object)
        column[:] = rows
        return {"done": column}


class RayExecutor:
    """Runs stages on a Ray cluster: `address` of one that exists, or "" for one on this machine.

    `workers` is the largest number of actors of a stage; 0 takes what the cluster holds. Every node needs the toolkit
    installed and sees OUT and the videos under the same paths (a shared file system or an object store).
    """

    def __init__(self, *, address: str, workers: int, retries: int) -> None:
        # Ray reads these at import; nothing may be reported to anyone.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        import ray

        self._ray = ray
        self.retries = retries
        try:
            if address:
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
            else:
                ray.init(
                    address="local",  # or Ray would join a cluster that happens to run on this machine
                    num_cpus=workers or None,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
        except (ConnectionError, TimeoutError, ValueError, RuntimeError) as e:
            line = str(e).splitlines()[0] if str(e) else type(e).__name__
            raise UserError(
                f"no Ray cluster at ADDRESS={address or 'local'}: {line}; is it running? A cluster with token "
                "authentication wants RAY_AUTH_MODE=token and its token in the environment, or ADDRESS=auto on its head"
            ) from e
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        context.max_errored_blocks = -1  # an item whose machine was lost is counted; others go on
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        self.workers = workers

    def gpus(self) -> float:
        """The cluster's; UserError where it has none."""
        there = self._ray.cluster_resources().get("GPU", 0.0)
        require_gpus(there, "the Ray cluster")
        return there

    def map(self, stage: Stage, works: Sequence[Work]) -> Iterator[Done]:
        works = longest_first(works)
        if not works:
            return
        left = {w.unit_id: w for w in works}
        for done in self._stream(stage, works):
            left.pop(done.work.unit_id, None)
            for work in [w for w in left.values() if any(p.unit_id == done.work.unit_id for p in w.parts)]:
                del left[work.unit_id]
            yield done
        # Whatever has no result was on a machine that was lost more often than Ray retries; the next build tries again.
        for work in left.values():
            yield Done(work=work, outcome=died(stage))

    def _stream(self, stage: Stage, works: list[Work]) -> Iterator[Done]:
        ray = self._ray
        rows = [{"work": w} for w in works]
        # Small blocks keep results flowing and memory bounded; a block is what one actor does at a time.
        blocks = min(len(rows), 10_000)
        cpus = self._ray.cluster_resources().get("CPU", 1.0)
        room = max(1, int(cpus // stage.resources.cpus)) if stage.resources.cpus else len(rows)
        if stage.resources.gpus:
            room = min(room, workers_on(self.gpus(), stage.resources.gpus))
        pool = max(1, min(room, self.workers or room, len(rows)))
        dataset = ray.data.from_items(rows, override_num_blocks=blocks).map_batches(
            _Actor,
            fn_constructor_args=(stage, self.retries),
            batch_size=1,
            concurrency=(1, pool) if pool > 1 else 1,
            num_cpus=stage.resources.cpus,
            num_gpus=stage.resources.gpus or None,
            max_task_retries=self.retries,  # of items whose machine was lost: the default is for ever
        )
        for row in dataset.iter_rows():
            if isinstance(row["done"], Exception):
                raise row["done"]
            yield row["done"]

    def close(self) -> None:
        self._ray.shutdown()
