"""Checks and locks of the local folder that a job writes to."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from humove.errors import UserError


def require_writable_folder(out: Path) -> None:
    """Create the folder if it is missing. UserError if it cannot be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as e:
        raise UserError(f"OUT={out}: cannot be written: {e.strerror}; choose a folder that you may write to") from e


@contextmanager
def lock_folder(out: Path, what: str = "build") -> Iterator[None]:
    """Hold the folder's lock for a job of the kind `what`; UserError if another job holds it."""
    with (out / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            raise UserError(f"OUT={out}: another {what} is running there; wait for it or choose another OUT") from e
        yield
