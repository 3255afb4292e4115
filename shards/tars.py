"""Atomic, deterministic writer of plain ustar tars: the bytes depend on names and contents only.

Headers are 512 bytes each, so an index can store the offset of a member's data for range reads.
"""

import hashlib
import tarfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from humove.storage.atomic import replace_atomically

BLOCK = tarfile.BLOCKSIZE


def measure_member(size: int) -> int:
    """Return the bytes that a member of `size` bytes takes in a tar: header, data and padding."""
    return BLOCK + size + -size % BLOCK


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenTar:
    """A finished tar."""

    bytes: int
    sha256: str


class TarWriter:
    """A writer of one tar. Leaving the `with` block without an error commits the tar and sets `written`."""

    def __init__(self, path: Path) -> None:
        self.path, self.position = path, 0
        self.written: WrittenTar | None = None
        self._hash = hashlib.sha256()
        self._files = ExitStack()

    def __enter__(self) -> Self:
        self._out: IO[bytes] = self._files.enter_context(
            self._files.enter_context(replace_atomically(self.path)).open("wb")
        )
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            self._write(b"\0" * (2 * BLOCK))
            self._write(b"\0" * (-self.position % tarfile.RECORDSIZE))
        self._files.__exit__(*error)
        if error[0] is None:
            self.written = WrittenTar(bytes=self.position, sha256=self._hash.hexdigest())

    def add(self, name: str, raw: bytes) -> int:
        """Add a member and return the offset of its data. ValueError if the name is longer than 100 bytes."""
        head = tarfile.TarInfo(name)
        head.size, head.mtime, head.uid, head.gid, head.mode = len(raw), 0, 0, 0, 0o644
        self._write(head.tobuf(tarfile.USTAR_FORMAT))
        offset = self.position
        self._write(raw)
        self._write(b"\0" * (-len(raw) % BLOCK))
        return offset

    def _write(self, raw: bytes) -> None:
        self._out.write(raw)
        self._hash.update(raw)
        self.position += len(raw)
