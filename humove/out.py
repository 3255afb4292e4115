"""The folder that a job writes to: it can be written, and by one job at a time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from humove.errors import UserError


def need_writable(out: Path) -> None:
    """Makes the folder where it is not there. UserError where nothing can be written to it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as e:
        raise UserError(f"OUT={out}: cannot be written: {e.strerror}; choose a folder that you may write to") from e


def is_running(out: Path) -> bool:
    """Whether a build works at `out` at this moment."""
    try:
        with (out / ".lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@contextmanager
def locked(out: Path, what: str = "build") -> Iterator[None]:
    """One `what` at a time: two would write the same files. UserError where there is another."""
    with (out / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            raise UserError(f"OUT={out}: another {what} is running there; wait for it or choose another OUT") from e
        yield
