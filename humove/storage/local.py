"""A store in a local folder."""

import errno
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from humove.errors import UserError
from humove.storage.store import Store, StoreEntry, check_name

TEMPORARY = ".tmp"
"""Suffix of files that are being written; a killed writer leaves one behind, and listings skip it."""
_NO_HARD_LINKS = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EACCES}
_REFUSED = {errno.EROFS, errno.EACCES, errno.EPERM}
_FULL = {errno.ENOSPC, errno.EDQUOT}


class LocalStore(Store):
    """A folder; a file is written beside its place, synced and renamed into it."""

    is_local = True

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(os.path.abspath(os.path.expanduser(folder)))
        self.location = str(self._folder)

    def path(self, name: str) -> Path:
        return self._folder / check_name(name)

    def read(self, name: str) -> bytes:
        with self._explain_read_errors(name):
            return self.path(name).read_bytes()

    def read_range(self, name: str, start: int, end: int) -> bytes:
        with self._explain_read_errors(name), self.path(name).open("rb") as f:
            data = os.pread(f.fileno(), end - start, start)
            while len(data) < end - start:  # one pread returns 2 GiB at most
                more = os.pread(f.fileno(), end - start - len(data), start + len(data))
                if not more:
                    raise EOFError(f"{self.location}/{name} ends before byte {end}")
                data += more
        return data

    def write(self, name: str, data: bytes) -> None:
        def fill(temporary: Path) -> None:
            with temporary.open("wb") as f:
                f.write(data)
                f.flush()
                os.fsync(f.fileno())

        self._replace_file(name, fill)

    def write_file(self, name: str, path: Path) -> None:
        with self._explain_read_errors(name), path.open("rb") as f:
            os.fsync(f.fileno())
        with self._explain_errors(name):
            target = self.path(name)
            _make_folder(target.parent)
            try:
                os.replace(path, target)
                return
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
        self._replace_file(name, lambda temporary: _copy_synced(path, temporary))
        path.unlink()

    def fetch(self, name: str, path: Path) -> None:
        with self._explain_read_errors(name):
            source = self.path(name).open("rb")
        with source, write_atomically(path) as temporary, explain_os_errors(str(path)), temporary.open("wb") as f:
            shutil.copyfileobj(source, f, 1 << 20)

    def exists(self, name: str) -> bool:
        return self.path(name).is_file()

    def size(self, name: str) -> int:
        with self._explain_read_errors(name):
            return self.path(name).stat().st_size

    def list(self, folder: str = "") -> list[StoreEntry]:
        top = self.path(folder) if folder else self._folder
        with self._explain_errors(folder):
            return sorted(self._walk_folder(top, f"{folder}/" if folder else ""), key=lambda entry: entry.name)

    def _walk_folder(self, folder: Path, prefix: str) -> Iterator[StoreEntry]:
        try:
            found = os.scandir(folder)
        except (FileNotFoundError, NotADirectoryError):
            return
        with found:
            for item in found:
                if item.is_dir():
                    yield from self._walk_folder(Path(item.path), f"{prefix}{item.name}/")
                elif not (item.name.startswith(".") and item.name.endswith(TEMPORARY)):
                    try:
                        yield StoreEntry(name=prefix + item.name, size=item.stat().st_size)
                    except FileNotFoundError:  # deleted by another process since the folder was read
                        continue

    def names(self, folder: str = "") -> set[str]:
        top = self.path(folder) if folder else self._folder
        with self._explain_errors(folder):
            return set(os.listdir(top)) if top.is_dir() else set()

    def delete(self, names: Iterable[str]) -> None:
        for name in names:
            with self._explain_errors(name):
                try:
                    self.path(name).unlink(missing_ok=True)
                except NotADirectoryError:
                    continue

    def copy(self, source: str, target: str) -> None:
        origin = self.path(source)
        if not origin.is_file():
            raise FileNotFoundError(f"{self.location}/{source}")

        def fill(temporary: Path) -> None:
            try:
                os.link(origin, temporary)
            except OSError as error:
                if error.errno not in _NO_HARD_LINKS:
                    raise
                _copy_synced(origin, temporary)

        self._replace_file(target, fill)

    def open(self, name: str, size: int | None = None) -> IO[bytes]:
        with self._explain_read_errors(name):
            return self.path(name).open("rb")

    def child(self, folder: str) -> Store:
        return LocalStore(self.path(folder)) if folder else self

    def _replace_file(self, name: str, fill: Callable[[Path], None]) -> None:
        target = self.path(name)
        with self._explain_errors(name), write_atomically(target) as temporary:
            fill(temporary)

    def _explain_errors(self, name: str):
        return explain_os_errors(f"{self.location}/{name}".rstrip("/"))

    @contextmanager
    def _explain_read_errors(self, name: str) -> Iterator[None]:
        """Report a path through a file, or to a folder, as a missing file."""
        try:
            with self._explain_errors(name):
                yield
        except (NotADirectoryError, IsADirectoryError) as error:
            raise FileNotFoundError(f"{self.location}/{name}") from error


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` at the end; after an exception it is removed."""
    _make_folder(path.parent)
    temporary = path.with_name(f".{path.name[:200]}-{uuid.uuid4().hex[:8]}{TEMPORARY}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def explain_os_errors(place: str) -> Iterator[None]:
    """Turn a full disk, a read-only folder or missing rights into a UserError of one line."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise UserError(
                f"{place}: the disk is full ({error.strerror}); free space or choose another place"
            ) from error
        if error.errno in _REFUSED:
            raise UserError(
                f"{place}: access is refused ({error.strerror}); choose a place that you may write to"
            ) from error
        raise


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"{path}: the path or a parent of it is a file, not a folder; choose another place") from error


def _copy_synced(source: Path, target: Path) -> None:
    with source.open("rb") as origin, target.open("wb") as copy:
        shutil.copyfileobj(origin, copy, 1 << 20)
        copy.flush()
        os.fsync(copy.fileno())
