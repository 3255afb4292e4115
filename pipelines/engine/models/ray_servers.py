"""Servers of networks on the GPUs of a Ray cluster: one actor per share of a GPU."""

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from annotators.network import Columns, Network
from humove.errors import UserError
from pipelines.engine.executors.gpus import require_gpus
from pipelines.engine.executors.worker_process import format_error, limit_threads
from pipelines.engine.models.batch_queue import BatchQueue
from pipelines.engine.models.clients import CopyLost, NetworkClient, NetworkReply
from pipelines.engine.models.local_servers import ServedNetwork, place_copies
from pipelines.engine.models.server_process import answer_call, describe_load_error

NAMESPACE = "humove-models"
_CALLERS = 64
"""Concurrent calls of one copy; each waits in a thread until its rows were in a batch."""
_POLL_S = 5.0
"""The interval in which the driver checks for new GPUs, and a client for new copies."""
_WAIT_NOTICE_S = 60.0
"""After this time the user is notified that there is no copy yet."""


class ModelActor:
    """One copy of a network. Ray restarts it when it or its machine dies; it then loads the network again."""

    def __init__(self, network: Network, device: str) -> None:
        limit_threads()
        self._network = network
        self._device = device
        self._lock = threading.Lock()
        self._queue: BatchQueue | None = None

    def start(self) -> str:
        """Load the network; return "" or why it can't be loaded here."""
        with self._lock:
            if self._queue is None:
                try:
                    self._network.load(self._device)
                except Exception as error:  # reported by the driver, which continues with the other copies
                    return describe_load_error(error)
                limit_threads()  # in the libraries that the network imported
                self._queue = BatchQueue(self._network)
        return ""

    def call(self, method: str, *columns: Any) -> NetworkReply | None:
        """Return the reply; None where the network can't be loaded here, after a restart on another machine."""
        if self.start():
            return None
        values, outputs = answer_call(self._network, self._queue, method, columns)
        return NetworkReply(columns=outputs, **{**values, "names": tuple(values.get("names", ()))})


class CopyDirectory:
    """An actor that lists the ready copies by kind, for the clients."""

    def __init__(self) -> None:
        self._ready: dict[str, dict[str, Any]] = {}
        self._failures: dict[str, str] = {}

    def add(self, kind: str, name: str, actor: Any) -> None:
        self._ready.setdefault(kind, {})[name] = actor

    def set_failure(self, kind: str, line: str) -> None:
        self._failures[kind] = line

    def list_copies(self, kind: str) -> tuple[dict[str, Any], str]:
        """Return the copies by name, and why there will be none, or ""."""
        return self._ready.get(kind, {}), self._failures.get(kind, "")


class RayNetworkClient(NetworkClient):
    """A client of the actors of `RayModelServers`, for processes of the same cluster."""

    def __init__(self, kind: str, batch_size: int, *, directory: str) -> None:
        self.directory = directory
        super().__init__(kind, batch_size)

    def _reset_state(self) -> None:
        super()._reset_state()
        self._actors: dict[str, Any] = {}
        self._suspects: set[str] = set()
        self._polled_at = 0.0

    def _list_copies(self) -> list[str]:
        with self._lock:
            due = not self._actors or time.monotonic() - self._polled_at > _POLL_S
            self._polled_at = time.monotonic() if due else self._polled_at
        if due:
            import ray
            from ray.exceptions import RayActorError

            try:
                directory = ray.get_actor(self.directory, namespace=NAMESPACE)
                actors, failure = ray.get(directory.list_copies.remote(self.kind))
            except (ValueError, RayActorError):  # its machine is lost, or the run ends: use the known copies
                return list(self._actors)
            if failure:
                raise UserError(failure)
            self._actors = actors
        return list(self._actors)

    def _call_copy(self, copy: str, method: str, columns: Columns) -> NetworkReply:
        import ray
        from ray.exceptions import RayActorError

        working = False
        try:
            actor = self._actors[copy]
            if copy in self._suspects and ray.get(actor.start.remote()):
                raise CopyLost(working=False)  # restarted on a machine that can't load it
            self._suspects.discard(copy)
            working = True
            found = ray.get(actor.call.remote(method, *columns))
        except KeyError as error:  # another thread has just removed it
            raise CopyLost(working=False) from error
        except RayActorError as error:
            # Ray restarts it; until a call has succeeded, a failed call is not attributed to its rows.
            self._suspects.add(copy)
            raise CopyLost(working=working) from error
        if found is None:
            self._suspects.add(copy)
            raise CopyLost(working=False)
        return found


class RayModelServers:
    """Copies in actors of the cluster that this process has joined. A thread starts more on new GPUs."""

    def __init__(
        self,
        served: Sequence[ServedNetwork],
        notify: Callable[[str], None],
        *,
        device: str,
        num_gpus: int | None = None,
    ) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._ray = ray
        self._served = {each.kind: each for each in served}
        self._notify = notify
        self._device = device
        self._num_gpus = num_gpus
        self._directory_name = f"models-{uuid.uuid4().hex}"
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._directory = (
            ray.remote(num_cpus=0)(CopyDirectory)
            .options(name=self._directory_name, namespace=NAMESPACE, scheduling_strategy=here)
            .remote()
        )
        self._actors: dict[str, list[Any]] = {kind: [] for kind in self._served}
        self._starting: dict[Any, tuple[str, Any]] = {}
        self._ready: set[str] = set()
        self._failures: dict[str, str] = {}
        self._failed: dict[str, list[str]] = {kind: [] for kind in self._served}
        self._closing = threading.Event()
        self._changed = threading.Condition()
        self._watcher = threading.Thread(target=self._watch_copies, name="model-servers", daemon=True)

    def make_clients(self) -> Mapping[str, Network]:
        return {
            kind: RayNetworkClient(kind, each.network.batch_size, directory=self._directory_name)
            for kind, each in self._served.items()
        }

    def __enter__(self) -> "RayModelServers":
        try:
            require_gpus(self._count_gpus(), "the Ray cluster")
            self._start_missing()
            self._watcher.start()
            self._wait_until_ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._closing.set()
        if self._watcher.is_alive():
            self._watcher.join()
        for actor in [actor for actors in self._actors.values() for actor in actors] + [self._directory]:
            self._ray.kill(actor)
        self._actors = {}

    def _count_gpus(self) -> int:
        count = int(self._ray.cluster_resources().get("GPU", 0))
        return count if self._num_gpus is None else min(count, self._num_gpus)

    def _wait_until_ready(self) -> None:
        """Wait until every kind has a ready copy. Raises UserError where one can have none."""
        notified = False
        with self._changed:
            while True:
                if self._failures:
                    raise UserError(next(iter(self._failures.values())))
                missing = set(self._served) - self._ready
                if not missing:
                    return
                if not self._changed.wait(_WAIT_NOTICE_S) and not notified:
                    self._notify(f"waiting for a GPU, or for the model to load: {', '.join(sorted(missing))}")
                    notified = True

    def _start_missing(self) -> None:
        """Start the copies that fit on the cluster's GPUs, the largest shares first, so that all fit."""
        shares = {kind: each.share for kind, each in self._served.items()}
        placed = [kind for held in place_copies(shares, self._count_gpus()) for kind in held]
        for kind in sorted(shares, key=lambda kind: -shares[kind]):
            for _ in range(placed.count(kind) - len(self._actors[kind]) - len(self._failed[kind])):
                self._start_copy(kind)

    def _start_copy(self, kind: str) -> None:
        served = self._served[kind]
        actor = (
            self._ray.remote(ModelActor)
            .options(num_cpus=0, num_gpus=served.share, max_restarts=-1, max_concurrency=_CALLERS)
            .remote(served.network, self._device)
        )
        self._actors[kind].append(actor)
        self._starting[actor.start.remote()] = (kind, actor)

    def _watch_copies(self) -> None:
        """List ready copies in the directory and start more on new GPUs, until `close`."""
        polled_at = time.monotonic()
        while not self._closing.is_set():
            if self._starting:
                done, _ = self._ray.wait(list(self._starting), num_returns=1, timeout=0.5)
                for ref in done:
                    self._settle_start(ref)
            else:
                self._closing.wait(0.5)
            if time.monotonic() - polled_at > _POLL_S:
                polled_at = time.monotonic()
                with contextlib.suppress(UserError):  # the remaining GPUs have no room for one copy of each
                    self._start_missing()

    def _settle_start(self, ref: Any) -> None:
        from ray.exceptions import RayError

        kind, actor = self._starting.pop(ref)
        try:
            line = self._ray.get(ref)
        except RayError as error:
            line = f"its process died: {format_error(error)}"
        if line:
            self._ray.kill(actor)
            self._actors[kind].remove(actor)
            self._fail_copy(kind, line)
        else:
            self._ray.get(self._directory.add.remote(kind, uuid.uuid4().hex, actor))
            self._ready.add(kind)
        with self._changed:
            self._changed.notify_all()

    def _fail_copy(self, kind: str, line: str) -> None:
        self._failed[kind].append(line)
        if self._actors[kind]:
            self._notify(f"{kind}: one copy of the model could not be run: {line}; the other copies do its work")
            return
        self._failures[kind] = line = f"{kind}: no copy of the model could be run: {line}"
        self._ray.get(self._directory.set_failure.remote(kind, line))
