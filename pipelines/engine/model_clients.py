"""Networks that run in other processes, as their callers see them: `annotators.network.Network`, by sending arrays."""

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
from pipelines.engine.array_messages import receive_message, send_message

MAX_LOSSES = 3
"""Rows during which so many copies of the network died are a fault: they may be what kills them."""
_PATIENCE_S = 900.0
"""How long a call waits for any copy of the network: one that died is being replaced, which takes minutes if large."""
_RETRY_S = 0.2
_REPORT_S = 1.0
_SHUN_S = 2.0
"""How long a copy that could not be reached is left alone."""


class ModelLost(ConnectionError):
    """No copy of a network gave an answer: a fault of the machines, tried again by the next run."""


class ModelFault(RuntimeError):
    """The network raised an exception; the text is its own."""


class CopyLost(Exception):
    """A copy of the network can't be reached, or is gone; `working` where it died at the work it was given."""

    def __init__(self, *, working: bool) -> None:
        super().__init__()
        self.working = working


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a copy of a network answered."""

    columns: Columns = ()
    names: tuple[str, ...] = ()
    """Of the columns, where they are constants."""
    waiting: int = 0
    """Requests that the copy has beside this one."""
    user_error: str = ""
    fault: str = ""


class NetworkClient(ABC):
    """A network that runs elsewhere, in several copies. Picklable; may be called from several threads at once.

    A call goes to the copy with the fewest requests, as far as this process knows. Where that copy dies the call goes
    to another one.
    """

    def __init__(self, kind: str, batch_size: int) -> None:
        self.kind = kind
        self.batch_size = batch_size
        self._forget()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()

    def _forget(self) -> None:
        """Start without knowledge of the copies, as in a new process."""
        self._lock = threading.Lock()
        self._mine: Counter[Any] = Counter()
        self._reported: dict[Any, tuple[float, int]] = {}
        self._shunned: dict[Any, float] = {}
        self._constants: dict[str, np.ndarray] | None = None

    def load(self, device: str) -> None:
        """Nothing: the network is loaded where it runs."""
        return

    def constants(self) -> dict[str, np.ndarray]:
        if self._constants is None:
            answer = self._call("constants", ())
            self._constants = dict(zip(answer.names, answer.columns, strict=True))
        return self._constants

    def run(self, inputs: Columns) -> Columns:
        return self._call("run", inputs).columns

    @abstractmethod
    def _copies(self) -> list[Any]:
        """The copies that there are, as far as this process knows. UserError where there can be none any more."""

    @abstractmethod
    def _ask(self, copy: Any, method: str, columns: Columns) -> Answer:
        """The answer of one copy. Raises CopyLost."""

    def _call(self, method: str, columns: Columns) -> Answer:
        losses, deadline = 0, time.monotonic() + _PATIENCE_S
        while losses < MAX_LOSSES:
            copy = self._choose()
            if copy is None:
                if time.monotonic() > deadline:
                    raise ModelLost(f"{self.kind}: no copy of the model could be reached for {_PATIENCE_S:g} s")
                time.sleep(_RETRY_S)
                continue
            try:
                answer = self._ask(copy, method, columns)
            except CopyLost as lost:
                losses += lost.working
                with self._lock:
                    self._shunned[copy] = time.monotonic() + _SHUN_S
                continue
            finally:
                with self._lock:
                    self._mine[copy] -= 1
            with self._lock:
                self._reported[copy] = (time.monotonic(), answer.waiting)
            if answer.user_error:
                raise UserError(answer.user_error)
            if answer.fault:
                raise ModelFault(answer.fault)
            return answer
        raise ModelLost(f"{self.kind}: {losses} processes that hold the model died at the same frames")

    def _choose(self) -> Any | None:
        """The copy with the fewest requests; None where none can be reached now."""
        copies = self._copies()
        with self._lock:
            now = time.monotonic()
            free = [copy for copy in copies if self._shunned.get(copy, 0.0) <= now]
            if not free:
                return None
            busy = {copy: max(self._mine[copy], self._last_report(copy, now)) for copy in free}
            least = min(busy.values())
            copy = random.choice([copy for copy in free if busy[copy] == least])
            self._mine[copy] += 1
            return copy

    def _last_report(self, copy: Any, now: float) -> int:
        """The requests that a copy had when it last answered this process; 0 where that was long ago."""
        when, waiting = self._reported.get(copy, (0.0, 0))
        return waiting if now - when < _REPORT_S else 0


class LocalNetworkClient(NetworkClient):
    """A client of the processes of `LocalModelServers`: a socket for each copy, in a folder of this user's."""

    def __init__(self, kind: str, batch_size: int, *, folder: str, copies: list[str], key: bytes) -> None:
        self.folder = folder
        self.copies = copies
        self.key = key
        super().__init__(kind, batch_size)

    def _forget(self) -> None:
        super()._forget()
        self._idle: dict[str, list[Connection]] = {copy: [] for copy in self.copies}

    def _copies(self) -> list[str]:
        failure = failure_file(self.folder, self.kind)
        if failure.exists():
            raise UserError(failure.read_text(encoding="utf-8"))
        return self.copies

    def _ask(self, copy: str, method: str, columns: Columns) -> Answer:
        connection = self._connect(copy)
        try:
            send_message(connection, {"method": method}, columns)
            values, outputs = receive_message(connection)
        except (EOFError, OSError) as error:
            connection.close()
            raise CopyLost(working=True) from error
        with self._lock:
            self._idle[copy].append(connection)
        return Answer(columns=outputs, **{**values, "names": tuple(values.get("names", ()))})

    def _connect(self, copy: str) -> Connection:
        """A connection that no other thread uses. One that lay idle is tried first: its other side may be gone."""
        with self._lock:
            idle = self._idle[copy].pop() if self._idle[copy] else None
        if idle is not None:
            if not idle.poll():  # an idle connection is readable where the other side has closed it
                return idle
            idle.close()
        try:
            return Client(str(Path(self.folder) / copy), family="AF_UNIX", authkey=self.key)
        except (EOFError, OSError) as error:  # not there yet, or just gone
            raise CopyLost(working=False) from error


def failure_file(folder: str, kind: str) -> Path:
    """Where the driver writes the line that says why no copy of a network runs any more."""
    return Path(folder) / f"{kind}.failed"
