"""A limit of requests a minute over threads, and over processes that share a file."""

import fcntl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


class RateLimiter:
    """A limiter that releases one caller every 60 / per_minute seconds. Callers queue on a lock.

    With a `file`, all processes that use it share its lock and the time in it.
    """

    def __init__(self, per_minute: float, file: Path | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self._interval = 60 / per_minute if per_minute else 0.0
        self._file = file
        self._clock = clock
        self._lock = threading.Lock()
        self._last = 0.0

    def wait(self) -> None:
        """Block until the next request is allowed."""
        if not self._interval:
            return
        with self._lock, self._lock_file():
            since = self._clock() - self._last
            if 0 <= since < self._interval:  # a clock that was set back costs at most one interval
                time.sleep(self._interval - since)
            self._last = self._clock()

    @contextmanager
    def _lock_file(self) -> Iterator[None]:
        if self._file is None:
            yield
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a+", encoding="ascii", errors="replace") as f:
            fcntl.flock(f, fcntl.LOCK_EX)  # released when the file is closed, or the process dies
            f.seek(0)
            self._last = _parse_number(f.read(64))
            yield
            f.seek(0)
            f.truncate()
            f.write(repr(self._last))


def _parse_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
