"""Servers of networks on local GPUs: one copy per share of a GPU, each in a process, called by the CPU workers."""

import atexit
import contextlib
import multiprocessing
import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Protocol

from annotators.network import Network
from annotators.registry import create_network
from annotators.transnetv2.network import TransNetV2
from humove.errors import UserError
from pipelines.config import BuildConfig
from pipelines.engine.executors.local_executor import list_gpus
from pipelines.engine.models.clients import LocalNetworkClient, get_failure_path
from pipelines.engine.models.server_process import FAILED, READY, serve_network

_ROUNDING = 1e-9
_KINDS = {"track": "tracks", "split": "cuts"}
"""The kind of network by step, where the names differ."""
MAX_DEATHS = 5
"""After so many deaths a copy is not replaced any more."""
_LONGEST_FOLDER = 60
"""Longest temporary folder for sockets, whose paths Unix limits to 107 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedNetwork:
    """A network to run on GPUs, and the share of a GPU that each copy takes."""

    kind: str
    network: Network
    share: float


class ModelServers(Protocol):
    """The running copies; as a context manager, entering waits until every kind has a copy."""

    def make_clients(self) -> Mapping[str, Network]:
        """Return a client for each kind, picklable for the workers."""

    def close(self) -> None:
        """End the copies."""

    def __enter__(self) -> "ModelServers": ...

    def __exit__(self, *_: object) -> None: ...


def make_model_servers(
    config: BuildConfig, notify: Callable[[str], None], *, device: str = "cuda", num_gpus: int | None = None
) -> ModelServers:
    """Return the servers of a configuration's networks: on this machine, or on the Ray that the executor has joined.

    `notify` receives messages for the user. `num_gpus`: None uses all. Raises UserError where there is no GPU.
    """
    served = find_served_networks(config)
    if config.execution.executor == "ray" and served:
        from pipelines.engine.models.ray_servers import RayModelServers

        return RayModelServers(served, notify, device=device, num_gpus=num_gpus)
    gpus = [str(i) for i in range(num_gpus)] if num_gpus is not None else list_gpus() if served else []
    return LocalModelServers(served, gpus, notify, device=device)


def find_served_networks(config: BuildConfig) -> list[ServedNetwork]:
    """Return the networks of the annotators with a share of a GPU in the configuration."""
    sections = config.get_annotators()
    found = []
    for step, share in config.get_gpu_shares().items():
        kind = _KINDS.get(step, step)
        network = TransNetV2().network if kind == "cuts" else create_network(kind, sections[kind])
        if network is None:
            name = sections[kind].annotator
            raise UserError(f"execution.gpus: {step}.annotator {name!r} has no network for a GPU: remove {step}")
        found.append(ServedNetwork(kind=kind, network=network, share=share))
    return found


def place_copies(shares: Mapping[str, float], num_gpus: int) -> list[list[str]]:
    """Return the kinds of the copies on each GPU.

    Each GPU is filled by adding the kind with the fewest copies so far among those that fit. Raises UserError where a
    kind fits on none.
    """
    counts = dict.fromkeys(shares, 0)
    placed: list[list[str]] = []
    for _ in range(num_gpus):
        room, held = 1.0 + _ROUNDING, []
        while fitting := [kind for kind, share in shares.items() if share <= room]:
            kind = min(fitting, key=lambda k: counts[k])
            counts[kind] += 1
            room -= shares[kind]
            held.append(kind)
        placed.append(held)
    missing = [kind for kind, count in counts.items() if not count]
    if missing:
        total = ", ".join(f"{kind}: {share:g}" for kind, share in shares.items())
        raise UserError(
            f"execution.gpus: {num_gpus} GPU(s) have no room for {', '.join(missing)} beside the others ({total}); "
            "use smaller shares, so that they sum to at most 1 on one GPU"
        )
    return placed


@dataclass(slots=True, eq=False)
class _Copy:
    """One copy and its process; `name` is also the name of its socket."""

    kind: str
    name: str
    gpu: str
    process: BaseProcess | None = None
    messages: Connection | None = None
    state: str = "starting"
    """Then "ready", or "failed"."""
    served: bool = False
    """Whether it was ever ready: one that was not is not restarted."""
    deaths: int = 0


class LocalModelServers:
    """Copies in processes on this machine. A thread of the driver replaces dead ones."""

    def __init__(
        self, served: Sequence[ServedNetwork], gpus: Sequence[str], notify: Callable[[str], None], *, device: str
    ) -> None:
        self._served = {each.kind: each for each in served}
        self._notify = notify
        self._device = device
        self._key = secrets.token_bytes(32)
        placed = place_copies({kind: each.share for kind, each in self._served.items()}, len(gpus))
        self._copies = [
            _Copy(kind=kind, name=f"{kind}-{gpu}-{number}", gpu=gpu)
            for gpu, kinds in zip(gpus, placed, strict=True)
            for number, kind in enumerate(kinds)
        ]
        self._folder = ""
        self._failures: dict[str, str] = {}
        self._changed = threading.Condition()
        self._stop, self._stopped = multiprocessing.Pipe()
        self._watcher: threading.Thread | None = None

    def make_clients(self) -> Mapping[str, Network]:
        return {
            kind: LocalNetworkClient(
                kind,
                each.network.batch_size,
                folder=self._folder,
                copies=[copy.name for copy in self._copies if copy.kind == kind],
                key=self._key,
            )
            for kind, each in self._served.items()
        }

    def __enter__(self) -> "LocalModelServers":
        if not self._copies:
            return self
        root = None if len(tempfile.gettempdir()) <= _LONGEST_FOLDER else "/tmp"
        self._folder = tempfile.mkdtemp(prefix="humove-models-", dir=root)
        atexit.register(self.close)
        try:
            for copy in self._copies:
                self._start_copy(copy)
            self._watcher = threading.Thread(target=self._watch_copies, name="model-servers", daemon=True)
            self._watcher.start()
            self._wait_until_ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if not self._folder:
            return
        atexit.unregister(self.close)
        with contextlib.suppress(OSError):
            self._stop.send(None)
        if self._watcher is not None:
            self._watcher.join()
        for copy in self._copies:
            if copy.process is not None:
                copy.process.kill()
                copy.process.join()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = ""

    def _wait_until_ready(self) -> None:
        """Wait until every kind has a ready copy. Raises UserError where one can have none."""
        with self._changed:
            while True:
                if self._failures:
                    raise UserError(next(iter(self._failures.values())))
                ready = {copy.kind for copy in self._copies if copy.state == "ready"}
                if ready == set(self._served):
                    return
                self._changed.wait()

    def _start_copy(self, copy: _Copy) -> None:
        context = multiprocessing.get_context("spawn")
        copy.messages, theirs = context.Pipe(duplex=False)
        address = Path(self._folder) / copy.name
        address.unlink(missing_ok=True)  # that of the previous process
        network = self._served[copy.kind].network
        copy.process = context.Process(
            target=serve_network,
            args=(network, self._device, copy.gpu, str(address), self._key, theirs),
            name=f"humove-{copy.name}",
            daemon=True,
        )
        copy.state = "starting"
        copy.process.start()
        theirs.close()

    def _watch_copies(self) -> None:
        """Mark ready copies and replace dead ones, until `close`."""
        while True:
            connections = {copy.messages: copy for copy in self._copies if copy.state != "failed"}
            for found in wait([*connections, self._stopped]):
                if found is self._stopped:
                    return
                self._read_message(connections[found])
            with self._changed:
                self._changed.notify_all()

    def _read_message(self, copy: _Copy) -> None:
        try:
            state, line = copy.messages.recv()
        except (EOFError, OSError):
            copy.process.join()
            state, line = FAILED, f"its process died (exit code {copy.process.exitcode})"
        if state == READY:
            copy.state, copy.served = "ready", True
            return
        copy.messages.close()
        copy.deaths += 1
        if not copy.served or copy.deaths >= MAX_DEATHS:
            self._fail_copy(copy, line)
            return
        self._notify(f"{copy.kind}: the model's copy on GPU {copy.gpu} is replaced: {line}")
        self._start_copy(copy)

    def _fail_copy(self, copy: _Copy, line: str) -> None:
        copy.state = "failed"
        if any(other.kind == copy.kind and other.state != "failed" for other in self._copies):
            self._notify(f"{copy.kind}: no copy on GPU {copy.gpu}: {line}; the other copies do its work")
            return
        self._failures[copy.kind] = line = f"{copy.kind}: no copy of the model could be run: {line}"
        get_failure_path(self._folder, copy.kind).write_text(line, encoding="utf-8")
