"""The connection to a Ray cluster, the functions that run in its workers, and its nodes."""

import logging
import os
import socket
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from humove.errors import UserError
from humove.stage import Resources
from pipelines.engine.executors.cpus import count_usable_cpus
from pipelines.engine.executors.gpus import count_gpu_workers
from pipelines.engine.executors.worker_process import THREAD_VARIABLES

POLL_SECONDS = 2.0
CONNECT_SECONDS = 10.0
_HELP = (
    "is it running? A cluster with token authentication wants RAY_AUTH_MODE=token and its token in the environment, "
    "or ADDRESS=auto on its head"
)


def connect_ray(address: str, workers: int) -> Any:
    """Join the cluster at an address, or start one here for "" and "local"; returns the module ray.

    Raises UserError in one line where that fails.
    """
    check_address(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read at import; no usage report may be sent
    import ray

    try:
        if is_local(address):
            ray.init(
                address="local",  # or Ray would join a cluster that happens to run on this machine
                num_cpus=workers or count_usable_cpus(),
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        else:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, TimeoutError, ValueError, RuntimeError) as e:
        ray.shutdown()  # ends what was started before the error
        line = str(e).splitlines()[0] if str(e) else type(e).__name__
        if "AF_UNIX path" in line:
            raise UserError(describe_long_path()) from e
        raise UserError(f"no Ray cluster at ADDRESS={address or 'local'}: {line}; {_HELP}") from e
    return ray


def is_local(address: str) -> bool:
    """Whether to start a Ray on this machine."""
    return address in ("", "local")


def check_address(address: str) -> None:
    """Raise UserError for an address that can't work, at once; Ray itself would try for minutes."""
    target = os.environ.get("RAY_ADDRESS", "") if address == "auto" else address
    if target.startswith("ray://"):
        raise UserError(
            f"ADDRESS={target}: Ray Client is not supported; run the command on a node of the cluster with "
            "ADDRESS=auto (--address auto), or hand it in with `ray job submit -- humove ...`"
        )
    if address in ("", "local", "auto"):
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise UserError(f"ADDRESS={address}: write HOST:PORT as in 10.0.0.1:6379, auto, or local")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError) as e:
        raise UserError(f"no Ray cluster at ADDRESS={address}: {e}; {_HELP}") from e


def describe_long_path() -> str:
    """Return the error message for socket paths that are longer than the system allows."""
    variable = next((v for v in ("RAY_TMPDIR", "TMPDIR") if os.environ.get(v)), "RAY_TMPDIR")
    return (
        f"{variable}={os.environ.get(variable, '')}: is too long for Ray, whose sockets lie there and may have paths "
        "of 107 bytes; set RAY_TMPDIR to a short folder, as in RAY_TMPDIR=/tmp"
    )


def make_remotes(ray: Any) -> tuple[Any, Any]:
    """Return the remote function and the actor class that run a batch.

    Both are nested, so that Ray ships their code: a machine that can't import the toolkit then reports a failed setup
    with its name.
    """

    def run(stage_box: list, name: str, key: str, jobs: list, retries: int, budget_s: float) -> tuple:
        import traceback

        import ray

        node_id = ray.get_runtime_context().get_node_id()
        try:
            from pipelines.engine.executors.worker_process import run_batch
        except ImportError as e:
            line = f"the toolkit can't be imported on this machine: {e}; install it on every machine of the cluster"
            return node_id, [], (line, traceback.format_exc(), 2)
        load_stage = lambda: ray.cloudpickle.loads(ray.get(stage_box[0]))  # noqa: E731
        return node_id, *run_batch(name, key, load_stage, jobs, retries, budget_s)

    class StageActor:
        def run(self, *args: Any) -> Any:
            return run(*args)

    environment = {"env_vars": dict.fromkeys(THREAD_VARIABLES, "1")}
    function = ray.remote(max_retries=0, enable_task_events=False, runtime_env=environment)(run)
    actor = ray.remote(max_restarts=0, max_task_retries=0, enable_task_events=False, runtime_env=environment)(
        StageActor
    )
    return function, actor


@dataclass(frozen=True, slots=True, kw_only=True)
class _ClusterNode:
    node_id: str
    host: str
    cpus: float
    gpus: float

    def count_slots(self, resources: Resources) -> int:
        found = int(self.cpus / resources.cpus + 1e-9) if resources.cpus else 1_000
        return min(found, count_gpu_workers(self.gpus, resources.gpus)) if resources.gpus else found


class ClusterNodes:
    """The living nodes of the cluster, read again every few seconds, so that new machines are used."""

    def __init__(self, ray: Any, notify: Callable[[str], None]) -> None:
        self.last_loss = float("-inf")
        """When the last loss of a node was detected, on the monotonic clock."""
        self._ray = ray
        self._notify = notify
        self._hosts: dict[str, str] = {}
        self._nodes: dict[str, _ClusterNode] = {}
        self._slots: dict[tuple[Resources, frozenset[str]], int] = {}
        self._read_at = float("-inf")
        self.refresh()

    def refresh(self) -> None:
        """Read the nodes now."""
        rows = [row for row in self._ray.nodes() if row["Alive"]]
        found = {
            row["NodeID"]: _ClusterNode(
                node_id=row["NodeID"],
                host=row["NodeManagerHostname"] or row["NodeManagerAddress"],
                cpus=row["Resources"].get("CPU", 0.0),
                gpus=row["Resources"].get("GPU", 0.0),
            )
            for row in rows
        }
        for node_id in self._nodes.keys() - found.keys():
            self.last_loss = time.monotonic()
            self._notify(f"{self.get_host(node_id)}: this machine left the cluster; its tasks run on other machines")
        self._nodes = found
        self._hosts.update((n.node_id, n.host) for n in found.values())
        self._read_at = time.monotonic()
        self._slots.clear()

    def count_slots(self, resources: Resources, excluded: Collection[str] = ()) -> int:
        """Return the number of tasks that the nodes that are not excluded can run at once."""
        nodes = self._get_nodes()
        key = (resources, frozenset(excluded))
        if key not in self._slots:
            granted = Resources(cpus=self.clamp_cpus(resources.cpus), gpus=resources.gpus)
            self._slots[key] = sum(n.count_slots(granted) for n in nodes.values() if n.node_id not in excluded)
        return self._slots[key]

    def count_gpus(self) -> float:
        """Return the number of GPUs of the cluster."""
        return sum(n.gpus for n in self._get_nodes().values())

    def clamp_cpus(self, cpus: float) -> float:
        """Return the CPUs that a task can get: at most those of the largest node."""
        return min(cpus, max((n.cpus for n in self._get_nodes().values()), default=0.0) or cpus)

    def get_host(self, node_id: str) -> str:
        """Return the name of a node's machine."""
        return self._hosts.get(node_id, f"node {node_id[:8]}")

    def _get_nodes(self) -> dict[str, _ClusterNode]:
        if time.monotonic() - self._read_at > POLL_SECONDS:
            self.refresh()
        return self._nodes
