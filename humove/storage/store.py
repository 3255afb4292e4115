"""The interface of a store, and the function that opens one."""

import os
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from humove.errors import UserError


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreEntry:
    """A file of a store: its name relative to the store, and its size in bytes."""

    name: str
    size: int


class Store(ABC):
    """A folder of files, addressed by names relative to it ("shards/train-000000.tar").

    Picklable and cheap to copy: each process opens a file system at its first use. A refused request raises UserError
    in one line, a store that does not answer after a few retries raises ConnectionError.
    """

    location: str
    """An absolute path, or a URL as given; no trailing slash."""
    is_local: bool

    def path(self, name: str) -> Path:
        """Return the path of a file. ValueError if the store is not a local folder."""
        raise ValueError(f"{self.location} is not a local folder, so {name!r} has no path in it")

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Return a file's bytes. FileNotFoundError if it is missing."""

    @abstractmethod
    def read_range(self, name: str, start: int, end: int) -> bytes:
        """Return exactly the bytes [start, end) of a file, in one request. EOFError if the file ends before `end`."""

    @abstractmethod
    def write(self, name: str, data: bytes) -> None:
        """Write a file atomically; it replaces an existing one."""

    @abstractmethod
    def write_file(self, name: str, path: Path) -> None:
        """Move a finished local file into the store atomically. Afterwards `path` is gone."""

    @abstractmethod
    def fetch(self, name: str, path: Path) -> None:
        """Copy a file to a local path atomically. FileNotFoundError if it is missing."""

    @abstractmethod
    def exists(self, name: str) -> bool:
        """Tell whether the file exists."""

    @abstractmethod
    def size(self, name: str) -> int:
        """Return a file's size in bytes. FileNotFoundError if it is missing."""

    @abstractmethod
    def list(self, folder: str = "") -> list[StoreEntry]:
        """List every file below a folder, sorted by name; empty if there is no such folder."""

    @abstractmethod
    def names(self, folder: str = "") -> set[str]:
        """Return the names of the files and folders directly in a folder; empty if there is no such folder."""

    @abstractmethod
    def delete(self, names: Iterable[str]) -> None:
        """Delete files; missing ones are ignored."""

    @abstractmethod
    def copy(self, source: str, target: str) -> None:
        """Copy a file within the store, atomically, without its bytes passing through this machine."""

    @abstractmethod
    def open(self, name: str, size: int | None = None) -> IO[bytes]:
        """Open a file for reading and seeking.

        On an object store each read is one ranged request, and `size` saves the request for the file's size.
        FileNotFoundError if the file is missing (at the first read, where `size` is given).
        """

    @abstractmethod
    def child(self, folder: str) -> "Store":
        """Return the store of a folder in this one."""

    def __str__(self) -> str:
        return self.location

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.location!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Store) and self.location == other.location

    def __hash__(self) -> int:
        return hash(self.location)


def open_store(location: str | Path) -> Store:
    """Open the store at a path or URL; nothing is read yet. A relative path is made absolute here.

    UserError if the protocol is unknown, or its library is not installed.
    """
    text = os.fspath(location)
    if text.startswith(("file://", "local://")):
        text = text.partition("://")[2]
    if "://" in text:
        from humove.storage.remote import RemoteStore

        return RemoteStore(text)
    from humove.storage.local import LocalStore

    return LocalStore(text)


def require_writable(store: Store) -> None:
    """Write and delete a small file. UserError in one line if that fails."""
    name = f".writable-{uuid.uuid4().hex[:8]}"
    try:
        store.write(name, b"")
        store.delete([name])
    except FileNotFoundError as error:
        raise UserError(f"{store}: there is no such bucket; create it, or correct the address") from error
    except ConnectionError as error:
        raise UserError(f"{error}; check the address and the network") from error


def check_name(name: str) -> str:
    """Return the name if it stays inside the store; ValueError otherwise."""
    if not name or name.startswith("/") or any(part in ("", ".", "..") for part in name.split("/")):
        raise ValueError(
            f"{name!r} is not a valid file name in a store; names are relative, without empty parts, . and .."
        )
    return name
