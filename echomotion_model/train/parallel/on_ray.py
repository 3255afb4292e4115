"""A run on a Ray cluster: Ray Train's TorchTrainer starts the processes, and starts them again when one dies.

The processes need the toolkit installed on their nodes, and see the data set and OUT under the same paths.
"""

import json
import logging
import os
import shutil
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from echomotion_model.train.config import TrainConfig
from echomotion_model.train.log import METRICS_FILE
from echomotion_model.train.loop import Trained, train
from echomotion_model.train.parallel.config import ParallelConfig
from echomotion_model.train.parallel.processes import BACKENDS, PATIENCE, Processes
from echomotion_model.train.start import NO_WEIGHTS
from echomotion_model.train.stopping import StopAsked, stop_on_signals
from humove.errors import UserError

POLL_SECONDS = 0.2
_RAY_FOLDER = ".ray"
_PATHS = ("vae", "umt5", "weights", "latents")
"""Of the encoders' settings, those that are files or folders."""


class Orders:
    """What the command and the processes tell each other; an actor."""

    def __init__(self) -> None:
        self._stop, self._refused, self._said = False, None, []

    def stop(self) -> None:
        self._stop = True

    def stopped(self) -> bool:
        return self._stop

    def refuse(self, line: str, exit_code: int) -> None:
        """A process met something that the user must mend: starting it again would not help."""
        self._refused = self._refused or (line, exit_code)

    def refused(self) -> tuple[str, int] | None:
        return self._refused

    def say(self, line: str) -> None:
        self._said.append(line)

    def said(self) -> list[str]:
        """Lines since the last time that this was asked."""
        lines, self._said = self._said, []
        return lines


def train_on_ray(
    config: TrainConfig,
    dataset: str,
    out: Path,
    *,
    motion_only: Sequence[str],
    address: str,
    on_metrics: Callable[[int, Mapping[str, float]], None] | None,
    say: Callable[[str], None] | None,
) -> Trained:
    """Trains on the cluster at `address`, or on this machine's own Ray; returns when it is done, or was told to stop.

    SIGTERM and SIGINT are passed on to the processes, which save and stop. UserError as `train`, and where there is no
    cluster, or it is too small. A crash that outlasts `parallel.retries` is raised as Ray raises it.
    """
    # Ray reads these at import: nothing is reported to anyone, and paths mean what they mean here.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
    import ray
    from ray.train import FailureConfig, RunConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    started = not ray.is_initialized()
    if started:
        _connect(address)
    scratch = out.absolute() / _RAY_FOLDER
    try:
        scaling = _scaling(config.parallel, ray.cluster_resources())
        orders = ray.remote(num_cpus=0)(Orders).remote()
        trainer = TorchTrainer(
            _process,
            train_loop_config={
                "config": _with_absolute_paths(config),
                "dataset": _absolute(dataset),
                "out": out.absolute(),
                "motion_only": tuple(_absolute(each) for each in motion_only),
                "orders": orders,
            },
            torch_config=TorchConfig(
                backend=BACKENDS["cuda" if scaling.use_gpu else "cpu"], timeout_s=int(PATIENCE.total_seconds())
            ),
            scaling_config=scaling,
            run_config=RunConfig(
                name="run",
                storage_path=str(scratch),
                failure_config=FailureConfig(max_failures=config.parallel.retries),
            ),
        )
        return _watched(trainer, orders, out / METRICS_FILE, on_metrics, say)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if started:
            ray.shutdown()


def _with_absolute_paths(config: TrainConfig) -> TrainConfig:
    encoders = config.encoders
    paths = {name: _absolute(path) for name in _PATHS if (path := getattr(encoders, name)) not in ("", NO_WEIGHTS)}
    return config.model_copy(update={"encoders": encoders.model_copy(update=paths)})


def _connect(address: str) -> None:
    import ray

    try:
        where = urlsplit(address if "://" in address else f"//{address}")
        if where.port:  # Ray itself would try for minutes
            socket.create_connection((where.hostname, where.port), timeout=10).close()
        ray.init(
            address=address or "local",  # or Ray would join a cluster that happens to run on this machine
            log_to_driver=False,
            logging_level=logging.ERROR,
            **({} if address else {"include_dashboard": False}),
        )
    except (OSError, ValueError, RuntimeError) as error:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"no Ray cluster at ADDRESS={address or 'local'}: {line}; is it running? A cluster with token "
            "authentication wants RAY_AUTH_MODE=token and its token in the environment, or ADDRESS=auto on its head"
        ) from error


def _scaling(parallel: ParallelConfig, resources: Mapping[str, float]) -> Any:
    """A GPU for each process, or a CPU where the cluster has no GPU. UserError where it has too few: Ray would wait."""
    from ray.train import ScalingConfig

    gpus, cpus = int(resources.get("GPU", 0)), int(resources.get("CPU", 0))
    processes = parallel.processes or gpus or 1
    has, kind = (gpus, "GPUs") if gpus else (cpus, "CPUs")
    if processes > has:
        raise UserError(f"parallel.processes={processes}, but the cluster has {has} {kind}: set it to {has} or less")
    return ScalingConfig(num_workers=processes, use_gpu=bool(gpus))


def _process(settings: dict[str, Any]) -> dict[str, Any] | None:
    """What each process does; the answer of the first counts."""
    import ray
    from ray.train.torch import get_device

    orders, parallel = settings.pop("orders"), settings["config"].parallel
    if ray.get(orders.refused.remote()):
        return None
    stop = StopAsked()
    ended = threading.Event()
    threading.Thread(target=_listen, args=(orders, stop, ended), daemon=True).start()
    try:
        world = Processes(parallel, get_device())
        return asdict(train(**settings, world=world, stop=stop, say=orders.say.remote))
    except UserError as error:
        ray.get(orders.refuse.remote(str(error), error.exit_code))
        raise  # the others may be waiting for this one, and end with it
    finally:
        ended.set()


def _listen(orders: Any, stop: StopAsked, ended: threading.Event) -> None:
    """Asks the process to stop when the command was told to. Signals do not reach Ray's workers."""
    import ray

    while not ended.wait(POLL_SECONDS):
        try:
            if ray.get(orders.stopped.remote()):
                return stop.ask()
        except ray.exceptions.RayActorError:  # the command is gone, and this process will be
            return stop.ask()


def _watched(
    trainer: Any,
    orders: Any,
    metrics: Path,
    on_metrics: Callable[[int, Mapping[str, float]], None] | None,
    say: Callable[[str], None] | None,
) -> Trained:
    """Runs the trainer beside this thread, which passes signals one way and figures the other."""
    import ray

    ended: dict[str, Any] = {}

    def fit() -> None:
        try:
            ended["answer"] = trainer.fit().return_value
        except Exception as error:  # raised below, in the thread of the caller
            ended["error"] = error

    read = metrics.stat().st_size if metrics.is_file() else 0
    told, passed_on = StopAsked(), False
    with stop_on_signals(told):
        thread = threading.Thread(target=fit, daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(POLL_SECONDS)
            for line in ray.get(orders.said.remote()) if say else ():
                say(line)
            read = _tell(metrics, read, on_metrics)
            if told and not passed_on:  # here, not in the handler, which may interrupt Ray in a call of its own
                orders.stop.remote()
                passed_on = True
    if refused := ray.get(orders.refused.remote()):
        raise UserError(*refused)
    if "error" in ended:
        raise ended["error"]
    return Trained(**ended["answer"])


def _tell(metrics: Path, read: int, on_metrics: Callable[[int, Mapping[str, float]], None] | None) -> int:
    """Passes on the lines that the run has written since; returns how far it has read."""
    if on_metrics is None or not metrics.is_file():
        return read
    # Processes that were started again take back what the dead ones said of steps that are lost.
    read = min(read, metrics.stat().st_size)
    with metrics.open("rb") as file:
        file.seek(read)
        for line in file:
            if not line.endswith(b"\n"):
                break
            read += len(line)
            values = json.loads(line)
            on_metrics(values.pop("step"), values)
    return read


def _absolute(path: str) -> str:
    """Paths of this machine in full; addresses of stores as they are."""
    return path if "://" in path else str(Path(path).absolute())
