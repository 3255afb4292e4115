"""Clients of networks in other processes: they implement `annotators.network.Network` by sending arrays."""

import random
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass
from multiprocessing.connection import Client, Connection
from pathlib import Path
from typing import Any

import numpy as np

from annotators.network import Columns
from humove.errors import UserError
from pipelines.engine.models.array_messages import receive_message, send_message

MAX_LOSSES = 3
"""After so many deaths of copies during the same rows the call fails: the rows may be the cause."""
_CALL_TIMEOUT_S = 900.0
"""How long a call waits for any copy of the network: replacing a large one takes minutes."""
_RETRY_S = 0.2
_REPORT_S = 1.0
_BACKOFF_S = 2.0
"""How long a copy that could not be reached gets no calls."""


class ModelLost(ConnectionError):
    """No copy of a network replied: a fault of the machines; the next run tries again."""


class ModelFault(RuntimeError):
    """An exception of the network, with its text."""


class CopyLost(Exception):
    """A copy of the network can't be reached or died; `working`: it died during this call."""

    def __init__(self, *, working: bool) -> None:
        super().__init__()
        self.working = working


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkReply:
    """The reply of a copy of a network to one call."""

    columns: Columns = ()
    names: tuple[str, ...] = ()
    """The names of the columns, where they are constants."""
    waiting: int = 0
    """The number of other requests that the copy has."""
    user_error: str = ""
    fault: str = ""


class NetworkClient(ABC):
    """A network that runs elsewhere, in several copies. Picklable; may be called from several threads at once.

    A call goes to the copy with the fewest known requests, and to another one where that copy dies.
    """

    def __init__(self, kind: str, batch_size: int) -> None:
        self.kind = kind
        self.batch_size = batch_size
        self._reset_state()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._reset_state()

    def _reset_state(self) -> None:
        """Reset what is known of the copies, as in a new process."""
        self._lock = threading.Lock()
        self._own_requests: Counter[Any] = Counter()
        self._reported: dict[Any, tuple[float, int]] = {}
        self._backoff_until: dict[Any, float] = {}
        self._constants: dict[str, np.ndarray] | None = None

    def load(self, device: str) -> None:
        """Do nothing: the server loads the network."""
        return

    def constants(self) -> dict[str, np.ndarray]:
        if self._constants is None:
            reply = self._call_any_copy("constants", ())
            self._constants = dict(zip(reply.names, reply.columns, strict=True))
        return self._constants

    def run(self, inputs: Columns) -> Columns:
        return self._call_any_copy("run", inputs).columns

    @abstractmethod
    def _list_copies(self) -> list[Any]:
        """Return the known copies. Raises UserError where none can run any more."""

    @abstractmethod
    def _call_copy(self, copy: Any, method: str, columns: Columns) -> NetworkReply:
        """Return the reply of one copy. Raises CopyLost."""

    def _call_any_copy(self, method: str, columns: Columns) -> NetworkReply:
        losses, deadline = 0, time.monotonic() + _CALL_TIMEOUT_S
        while losses < MAX_LOSSES:
            copy = self._choose_copy()
            if copy is None:
                if time.monotonic() > deadline:
                    raise ModelLost(f"{self.kind}: no copy of the model could be reached for {_CALL_TIMEOUT_S:g} s")
                time.sleep(_RETRY_S)
                continue
            try:
                reply = self._call_copy(copy, method, columns)
            except CopyLost as lost:
                losses += lost.working
                with self._lock:
                    self._backoff_until[copy] = time.monotonic() + _BACKOFF_S
                continue
            finally:
                with self._lock:
                    self._own_requests[copy] -= 1
            with self._lock:
                self._reported[copy] = (time.monotonic(), reply.waiting)
            if reply.user_error:
                raise UserError(reply.user_error)
            if reply.fault:
                raise ModelFault(reply.fault)
            return reply
        raise ModelLost(f"{self.kind}: {losses} processes that hold the model died at the same frames")

    def _choose_copy(self) -> Any | None:
        """Return the copy with the fewest requests; None where none can be reached now."""
        copies = self._list_copies()
        with self._lock:
            now = time.monotonic()
            free = [copy for copy in copies if self._backoff_until.get(copy, 0.0) <= now]
            if not free:
                return None
            busy = {copy: max(self._own_requests[copy], self._get_last_report(copy, now)) for copy in free}
            least = min(busy.values())
            copy = random.choice([copy for copy in free if busy[copy] == least])
            self._own_requests[copy] += 1
            return copy

    def _get_last_report(self, copy: Any, now: float) -> int:
        """Return the requests of a copy at its last reply to this process; 0 where that was long ago."""
        when, waiting = self._reported.get(copy, (0.0, 0))
        return waiting if now - when < _REPORT_S else 0


class LocalNetworkClient(NetworkClient):
    """A client of `LocalModelServers`: one socket per copy, in a private folder of this user."""

    def __init__(self, kind: str, batch_size: int, *, folder: str, copies: list[str], key: bytes) -> None:
        self.folder = folder
        self.copies = copies
        self.key = key
        super().__init__(kind, batch_size)

    def _reset_state(self) -> None:
        super()._reset_state()
        self._idle: dict[str, list[Connection]] = {copy: [] for copy in self.copies}

    def _list_copies(self) -> list[str]:
        failure = get_failure_path(self.folder, self.kind)
        if failure.exists():
            raise UserError(failure.read_text(encoding="utf-8"))
        return self.copies

    def _call_copy(self, copy: str, method: str, columns: Columns) -> NetworkReply:
        connection = self._get_connection(copy)
        try:
            send_message(connection, {"method": method}, columns)
            values, outputs = receive_message(connection)
        except (EOFError, OSError) as error:
            connection.close()
            raise CopyLost(working=True) from error
        with self._lock:
            self._idle[copy].append(connection)
        return NetworkReply(columns=outputs, **{**values, "names": tuple(values.get("names", ()))})

    def _get_connection(self, copy: str) -> Connection:
        """Return a connection that no other thread uses: an idle one that is still open, or a new one."""
        with self._lock:
            idle = self._idle[copy].pop() if self._idle[copy] else None
        if idle is not None:
            if not idle.poll():  # an idle connection is readable where the other side has closed it
                return idle
            idle.close()
        try:
            return Client(str(Path(self.folder) / copy), family="AF_UNIX", authkey=self.key)
        except (EOFError, OSError) as error:  # not started yet, or just ended
            raise CopyLost(working=False) from error


def get_failure_path(folder: str, kind: str) -> Path:
    """Return the file where the driver writes why no copy of a network can run any more."""
    return Path(folder) / f"{kind}.failed"
