"""The download cache of a machine: each source once for all worker processes, in a folder of bounded size."""

import errno
import fcntl
import hashlib
import os
import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from humove.reasons import Reason
from pipelines.inputs.addresses import get_suffix, is_url
from pipelines.inputs.download import RetryPolicy, download
from pipelines.inputs.errors import SourceUnavailable, make_changed_error, make_not_allowed_error
from pipelines.inputs.reference import InputRef
from pipelines.inputs.versions import make_local_version

__all__ = ["SourceCache", "SourceUnavailable"]

_MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL)
_COPY = re.compile(r"[0-9a-f]{32}(\.[0-9A-Za-z]+)?")
"""Names of copies and parts. Nothing else in the folder is ever removed."""


class SourceCache:
    """A cache that gives each input a local path: its own, or a copy in `folder` that worker processes share.

    Each copy has a lock file: a process holds it shared while it uses the copy, exclusive while it downloads or evicts
    it. A copy gets its name once it is complete; leftovers of killed processes are removed.
    """

    def __init__(self, folder: Path, max_bytes: int, *, tries: int = 5, max_wait_s: float = 60.0) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self.retries = RetryPolicy(tries=tries, max_wait_s=max_wait_s)

    @contextmanager
    def open(self, item: InputRef) -> Iterator[Path]:
        """Yield a path that PyAV and ffmpeg can open, valid within the context.

        A local file must be the one that was listed: another one of the same name would be combined with the
        measurements of the first. Raises SourceUnavailable where the source is missing, refused or changed,
        ConnectionError where a server failed and a later run may try again.
        """
        if not is_url(item.location):
            _check_local(item)
            yield Path(item.location)
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        entry = _CacheEntry(self.folder, item)
        lock = self._lock_copy(entry, item)
        try:
            os.utime(entry.path)
            yield entry.path
        finally:
            _unlock_file(lock)

    def _lock_copy(self, entry: "_CacheEntry", item: InputRef) -> int:
        """Return a shared lock on an entry with a complete copy."""
        began = time.time()
        while True:
            lock = _lock_file(entry.lock, fcntl.LOCK_SH)  # waits while another process downloads it
            if entry.path.exists():
                return lock
            _unlock_file(lock)
            try:
                lock = _lock_file(entry.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(random.uniform(0.01, 0.05))  # others request it at the same moment
                continue
            try:
                if not entry.path.exists():
                    _raise_failure(lock, began)
                    self._download_copy(entry, item, lock)
                fcntl.flock(lock, fcntl.LOCK_SH)
                if entry.path.exists():  # it may have been evicted between the two locks
                    return lock
            except BaseException:
                _unlock_file(lock)
                raise
            _unlock_file(lock)

    def _download_copy(self, entry: "_CacheEntry", item: InputRef, lock: int) -> None:
        try:
            self._reserve_space(entry.part, item.size)
            download(item.location, entry.part, size=item.size, stamp=item.stamp, retries=self.retries)
            with entry.part.open("rb") as file:
                os.fsync(file.fileno())
            entry.part.replace(entry.path)
        except SourceUnavailable:
            entry.lock.unlink(missing_ok=True)
            raise
        except ConnectionError as e:
            _write_failure(lock, str(e))
            raise
        finally:
            entry.part.unlink(missing_ok=True)
        if not item.size:
            with self._lock_folder():
                self._evict_copies(0)

    def _reserve_space(self, part: Path, size: int) -> None:
        """Make room for a download. Its file gets its final size at once, so that other processes count it."""
        with self._lock_folder():
            part.unlink(missing_ok=True)
            self._evict_copies(size)
            with part.open("wb") as file:
                file.truncate(size)

    @contextmanager
    def _lock_folder(self) -> Iterator[None]:
        lock = _lock_file(self.folder / ".lock", fcntl.LOCK_EX)
        try:
            yield
        finally:
            _unlock_file(lock)

    def _evict_copies(self, needed: int) -> None:
        """Remove unused copies, the least recently used first, until `needed` more bytes fit."""
        copies = []
        for entry in os.scandir(self.folder):
            if not _COPY.fullmatch(entry.name) or entry.name.endswith(".lock"):
                continue
            with suppress(FileNotFoundError):  # another process has just given up a download
                stat = entry.stat()
                copies.append((not entry.name.endswith(".part"), stat.st_mtime_ns, stat.st_size, Path(entry.path)))
        total = sum(size for _, _, size, _ in copies) + needed
        for whole, _, size, path in sorted(copies):  # parts first: those not in progress are leftovers of a kill
            if (total > self.max_bytes or not whole) and _remove_unused(path):
                total -= size


class _CacheEntry:
    """The files of one download: the copy, the partial copy, and the lock."""

    def __init__(self, folder: Path, item: InputRef) -> None:
        name = hashlib.sha256(f"{item.location}\0{item.stamp}".encode("utf-8", "surrogateescape")).hexdigest()[:32]
        suffix = get_suffix(item.location)
        safe = suffix if suffix[1:].isalnum() and suffix.isascii() and len(suffix) <= 8 else ""
        self.path = folder / f"{name}{safe}"
        self.part = folder / f"{name}.part"
        self.lock = folder / f"{name}.lock"


def _check_local(item: InputRef) -> None:
    try:
        stat = os.stat(item.location)
    except PermissionError as e:
        raise make_not_allowed_error(f"{e.strerror}: {item.location}") from e
    except (OSError, ValueError) as e:
        if isinstance(e, OSError) and e.errno not in _MISSING:
            raise ConnectionError(f"{item.location}: the file system does not answer: {e.strerror}") from e
        raise SourceUnavailable(Reason.UNREADABLE, "no such file") from e
    if not os.path.isfile(item.location):
        raise SourceUnavailable(Reason.UNREADABLE, "no such file")
    if make_local_version(stat).stamp != item.stamp:
        raise make_changed_error()
    if not os.access(item.location, os.R_OK):
        raise make_not_allowed_error(f"no right to read {item.location}")


def _lock_file(path: Path, kind: int) -> int:
    """Return an open lock file with a lock on it. One that was evicted meanwhile is opened again."""
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(lock, kind)
            if _is_current(lock, path):
                return lock
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)


def _is_current(lock: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock), os.stat(path))
    except FileNotFoundError:
        return False


def _unlock_file(lock: int) -> None:
    fcntl.flock(lock, fcntl.LOCK_UN)  # a forked child may hold the same open file
    os.close(lock)


def _remove_unused(path: Path) -> bool:
    """Remove a copy or a part, and its lock file; return False where a process uses it."""
    lock_path = path.with_name(path.name.partition(".")[0] + ".lock")
    try:
        lock = _lock_file(lock_path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    try:
        path.unlink(missing_ok=True)
        lock_path.unlink(missing_ok=True)
    finally:
        _unlock_file(lock)
    return True


def _write_failure(lock: int, message: str) -> None:
    """Write why the download failed, for the processes that wait for it."""
    os.ftruncate(lock, 0)
    os.pwrite(lock, message.encode("utf-8", "backslashreplace"), 0)


def _raise_failure(lock: int, began: float) -> None:
    """Raise ConnectionError where the download failed while this process waited: one try is enough for both."""
    stat = os.fstat(lock)
    if stat.st_size and stat.st_mtime > began:
        raise ConnectionError(os.pread(lock, stat.st_size, 0).decode())
