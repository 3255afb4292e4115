"""The networks that GPUs run: one copy for each share of a GPU, in a process of its own, called by the CPU workers."""

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
from annotators.registry import network_of
from annotators.transnetv2.network import TransNetV2
from humove.errors import UserError
from pipelines.config import BuildConfig
from pipelines.engine.local_executor import list_gpus
from pipelines.engine.model_clients import LocalNetworkClient, failure_file
from pipelines.engine.model_server_process import FAILED, READY, serve_network

_ROUNDING = 1e-9
_KINDS = {"track": "tracks", "split": "cuts"}
"""Kinds of networks by the step that runs them, where the two have other names."""
MAX_DEATHS = 5
"""A copy that has died so often is not replaced any more."""
_LONGEST_FOLDER = 60
"""Of a socket's path at most 107 bytes are left by Unix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedNetwork:
    """A network that is to run on GPUs, and the share of one that each copy takes."""

    kind: str
    network: Network
    share: float


class ModelServers(Protocol):
    """The running copies. A context manager: entered, it waits until every kind has a copy."""

    def clients(self) -> Mapping[str, Network]:
        """A client for each kind. Picklable, for the workers."""

    def close(self) -> None:
        """End the copies."""

    def __enter__(self) -> "ModelServers": ...

    def __exit__(self, *_: object) -> None: ...


def make_model_servers(
    config: BuildConfig, notify: Callable[[str], None], *, device: str = "cuda", num_gpus: int | None = None
) -> ModelServers:
    """The servers of a configuration's networks: on this machine, or on the Ray that the executor has joined.

    `notify` is given lines for people. `num_gpus`: as many as there are, if None. UserError where there is none.
    """
    served = served_networks(config)
    if config.execution.executor == "ray" and served:
        from pipelines.engine.ray_model_servers import RayModelServers

        return RayModelServers(served, notify, device=device, num_gpus=num_gpus)
    gpus = [str(i) for i in range(num_gpus)] if num_gpus is not None else list_gpus() if served else []
    return LocalModelServers(served, gpus, notify, device=device)


def served_networks(config: BuildConfig) -> list[ServedNetwork]:
    """The networks of the annotators that the configuration gives a share of a GPU."""
    sections = config.annotators()
    found = []
    for step, share in config.gpu_shares().items():
        kind = _KINDS.get(step, step)
        network = TransNetV2().network if kind == "cuts" else network_of(kind, sections[kind])
        if network is None:
            name = sections[kind].annotator
            raise UserError(f"execution.gpus: {step}.annotator {name!r} has no network for a GPU: take {step} out")
        found.append(ServedNetwork(kind=kind, network=network, share=share))
    return found


def place_copies(shares: Mapping[str, float], num_gpus: int) -> list[list[str]]:
    """The kinds whose copies each GPU holds.

    Every GPU is filled as far as the shares go, always with the kind that has the fewest copies by then. UserError
    where a kind finds no room on any.
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
            "give smaller shares, so that they come to 1 on one GPU"
        )
    return placed


@dataclass(slots=True, eq=False)
class _Copy:
    """One copy and its process. `name` is that of its socket."""

    kind: str
    name: str
    gpu: str
    process: BaseProcess | None = None
    messages: Connection | None = None
    state: str = "starting"
    """Then "ready", or "failed"."""
    served: bool = False
    """Whether it ever was ready: one that never was is not tried again."""
    deaths: int = 0


class LocalModelServers:
    """Copies in processes of this machine. A thread of the driver replaces those that die."""

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

    def clients(self) -> Mapping[str, Network]:
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
                self._start(copy)
            self._watcher = threading.Thread(target=self._watch, name="model-servers", daemon=True)
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
        """Until every kind has a copy that answers; UserError where one can have none."""
        with self._changed:
            while True:
                if self._failures:
                    raise UserError(next(iter(self._failures.values())))
                ready = {copy.kind for copy in self._copies if copy.state == "ready"}
                if ready == set(self._served):
                    return
                self._changed.wait()

    def _start(self, copy: _Copy) -> None:
        context = multiprocessing.get_context("spawn")
        copy.messages, theirs = context.Pipe(duplex=False)
        address = Path(self._folder) / copy.name
        address.unlink(missing_ok=True)  # that of the process before
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

    def _watch(self) -> None:
        """Note which copies are ready, and replace those that died, until `close`."""
        while True:
            connections = {copy.messages: copy for copy in self._copies if copy.state != "failed"}
            for found in wait([*connections, self._stopped]):
                if found is self._stopped:
                    return
                self._hear(connections[found])
            with self._changed:
                self._changed.notify_all()

    def _hear(self, copy: _Copy) -> None:
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
            self._give_up(copy, line)
            return
        self._notify(f"{copy.kind}: the model's copy on GPU {copy.gpu} is replaced: {line}")
        self._start(copy)

    def _give_up(self, copy: _Copy, line: str) -> None:
        copy.state = "failed"
        if any(other.kind == copy.kind and other.state != "failed" for other in self._copies):
            self._notify(f"{copy.kind}: no copy on GPU {copy.gpu}: {line}; the other copies do its work")
            return
        self._failures[copy.kind] = line = f"{copy.kind}: no copy of the model could be run: {line}"
        failure_file(self._folder, copy.kind).write_text(line, encoding="utf-8")
