"""A run on a Ray cluster: Ray Train's TorchTrainer starts the processes, and restarts them when one dies.

The nodes need the toolkit installed, and the data set and OUT under the same paths.
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
from echomotion_model.train.loop import TrainResult, train
from echomotion_model.train.parallel.config import ParallelConfig
from echomotion_model.train.parallel.processes import BACKENDS, PROCESS_GROUP_TIMEOUT, Processes
from echomotion_model.train.run.init import NO_WEIGHTS
from echomotion_model.train.run.log import METRICS_FILE
from echomotion_model.train.run.stopping import StopRequested, stop_on_signals
from humove.errors import UserError

POLL_SECONDS = 0.2
_RAY_FOLDER = ".ray"
_PATHS = ("vae", "umt5", "weights", "latents")
"""Settings of the encoders that are files or folders."""


class ControlActor:
    """An actor that passes messages between the command and the processes."""

    def __init__(self) -> None:
        self._stop, self._error, self._lines = False, None, []

    def request_stop(self) -> None:
        self._stop = True

    def is_stop_requested(self) -> bool:
        return self._stop

    def report_error(self, line: str, exit_code: int) -> None:
        """Report an error that the user must fix, so that restarting would not help; the first one is kept."""
        self._error = self._error or (line, exit_code)

    def get_error(self) -> tuple[str, int] | None:
        return self._error

    def add_line(self, line: str) -> None:
        self._lines.append(line)

    def take_lines(self) -> list[str]:
        """Return the lines added since the last call."""
        lines, self._lines = self._lines, []
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
) -> TrainResult:
    """Train on the cluster at `address`, or on a local Ray; return when the run is finished or stopped.

    SIGTERM and SIGINT are passed on to the processes, which save and stop. UserError as `train`, and if there is no
    cluster or it is too small. Ray's error is raised if a process still crashes after `parallel.retries`.
    """
    # Ray reads these at import: no usage reports, and relative paths keep their meaning.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
    import ray
    from ray.train import FailureConfig, RunConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    started = not ray.is_initialized()
    if started:
        _connect_ray(address)
    scratch = out.absolute() / _RAY_FOLDER
    try:
        scaling = _make_scaling(config.parallel, ray.cluster_resources())
        control = ray.remote(num_cpus=0)(ControlActor).remote()
        trainer = TorchTrainer(
            _run_process,
            train_loop_config={
                "config": _make_paths_make_absolute(config),
                "dataset": _make_absolute(dataset),
                "out": out.absolute(),
                "motion_only": tuple(_make_absolute(each) for each in motion_only),
                "control": control,
            },
            torch_config=TorchConfig(
                backend=BACKENDS["cuda" if scaling.use_gpu else "cpu"],
                timeout_s=int(PROCESS_GROUP_TIMEOUT.total_seconds()),
            ),
            scaling_config=scaling,
            run_config=RunConfig(
                name="run",
                storage_path=str(scratch),
                failure_config=FailureConfig(max_failures=config.parallel.retries),
            ),
        )
        return _run_trainer(trainer, control, out / METRICS_FILE, on_metrics, say)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if started:
            ray.shutdown()


def _make_paths_make_absolute(config: TrainConfig) -> TrainConfig:
    encoders = config.encoders
    paths = {name: _make_absolute(path) for name in _PATHS if (path := getattr(encoders, name)) not in ("", NO_WEIGHTS)}
    return config.model_copy(update={"encoders": encoders.model_copy(update=paths)})


def _connect_ray(address: str) -> None:
    import ray

    try:
        where = urlsplit(address if "://" in address else f"//{address}")
        if where.port:  # Ray would retry for minutes
            socket.create_connection((where.hostname, where.port), timeout=10).close()
        ray.init(
            address=address or "local",  # otherwise Ray joins a cluster that runs on this machine
            log_to_driver=False,
            logging_level=logging.ERROR,
            **({} if address else {"include_dashboard": False}),
        )
    except (OSError, ValueError, RuntimeError) as error:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"no Ray cluster at ADDRESS={address or 'local'}: {line}; is it running? A cluster with token "
            "authentication needs RAY_AUTH_MODE=token and its token in the environment, or ADDRESS=auto on its head"
        ) from error


def _make_scaling(parallel: ParallelConfig, resources: Mapping[str, float]) -> Any:
    """Request a GPU per process, or a CPU if the cluster has no GPU. UserError if it has too few: Ray would wait."""
    from ray.train import ScalingConfig

    gpus, cpus = int(resources.get("GPU", 0)), int(resources.get("CPU", 0))
    processes = parallel.processes or gpus or 1
    available, kind = (gpus, "GPUs") if gpus else (cpus, "CPUs")
    if processes > available:
        raise UserError(
            f"parallel.processes={processes}, but the cluster has {available} {kind}: set it to {available} or less"
        )
    return ScalingConfig(num_workers=processes, use_gpu=bool(gpus))


def _run_process(settings: dict[str, Any]) -> dict[str, Any] | None:
    """Train in one process of the cluster; Ray returns the result of the first."""
    import ray
    from ray.train.torch import get_device

    control, parallel = settings.pop("control"), settings["config"].parallel
    if ray.get(control.get_error.remote()):
        return None
    stop = StopRequested()
    ended = threading.Event()
    threading.Thread(target=_poll_stop, args=(control, stop, ended), daemon=True).start()
    try:
        context = Processes(parallel, get_device())
        return asdict(train(**settings, context=context, stop=stop, say=control.add_line.remote))
    except UserError as error:
        ray.get(control.report_error.remote(str(error), error.exit_code))
        raise  # ends the other processes, which may be waiting for this one
    finally:
        ended.set()


def _poll_stop(control: Any, stop: StopRequested, ended: threading.Event) -> None:
    """Stop the process when the command is stopped. Signals do not reach Ray's workers."""
    import ray

    while not ended.wait(POLL_SECONDS):
        try:
            if ray.get(control.is_stop_requested.remote()):
                return stop.request()
        except ray.exceptions.RayActorError:  # the command has ended, and this process will
            return stop.request()


def _run_trainer(
    trainer: Any,
    control: Any,
    metrics: Path,
    on_metrics: Callable[[int, Mapping[str, float]], None] | None,
    say: Callable[[str], None] | None,
) -> TrainResult:
    """Run the trainer in a thread, pass signals on to it and metrics back."""
    import ray

    outcome: dict[str, Any] = {}

    def fit() -> None:
        try:
            outcome["result"] = trainer.fit().return_value
        except Exception as error:  # raised below, in the caller's thread
            outcome["error"] = error

    offset = metrics.stat().st_size if metrics.is_file() else 0
    stop, passed_on = StopRequested(), False
    with stop_on_signals(stop):
        thread = threading.Thread(target=fit, daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(POLL_SECONDS)
            for line in ray.get(control.take_lines.remote()) if say else ():
                say(line)
            offset = _forward_metrics(metrics, offset, on_metrics)
            if stop and not passed_on:  # not in the handler, which may interrupt a call of Ray
                control.request_stop.remote()
                passed_on = True
    if error := ray.get(control.get_error.remote()):
        raise UserError(*error)
    if "error" in outcome:
        raise outcome["error"]
    return TrainResult(**outcome["result"])


def _forward_metrics(metrics: Path, offset: int, on_metrics: Callable[[int, Mapping[str, float]], None] | None) -> int:
    """Pass on the lines that the run has written after `offset`; return the new offset."""
    if on_metrics is None or not metrics.is_file():
        return offset
    # Restarted processes remove lines of lost steps.
    offset = min(offset, metrics.stat().st_size)
    with metrics.open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                break
            offset += len(line)
            values = json.loads(line)
            on_metrics(values.pop("step"), values)
    return offset


def _make_absolute(path: str) -> str:
    """Make a local path absolute; leave a URL unchanged."""
    return path if "://" in path else str(Path(path).absolute())
