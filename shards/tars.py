"""One plain ustar tar, written whole or not at all, of which every byte follows from names and contents alone.

Headers are 512 bytes each, so a member's data lies at a plain offset that an index can name and anyone can range-read.
"""

import hashlib
import tarfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from humove.atomic import replacing

BLOCK = tarfile.BLOCKSIZE


def measure_member(size: int) -> int:
    """The bytes that a member of `size` bytes takes in a tar: its header, its data, and the padding after it."""
    return BLOCK + size + -size % BLOCK


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A finished tar."""

    bytes: int
    sha256: str


class TarWriter:
    """A tar being written. Leaving the `with` block without an error commits it and sets `written`."""

    def __init__(self, path: Path) -> None:
        self.path, self.position = path, 0
        self.written: Written | None = None
        self._hash = hashlib.sha256()
        self._files = ExitStack()

    def __enter__(self) -> Self:
        self._out: IO[bytes] = self._files.enter_context(self._files.enter_context(replacing(self.path)).open("wb"))
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            self._put(b"\0" * (2 * BLOCK))
            self._put(b"\0" * (-self.position % tarfile.RECORDSIZE))
        self._files.__exit__(*error)
        if error[0] is None:
            self.written = Written(bytes=self.position, sha256=self._hash.hexdigest())

    def add(self, name: str, raw: bytes) -> int:
        """Adds one member and returns the offset of its data. ValueError where the name is over 100 bytes."""
        head = tarfile.TarInfo(name)
        head.size, head.mtime, head.uid, head.gid, head.mode = len(raw), 0, 0, 0, 0o644
        self._put(head.tobuf(tarfile.USTAR_FORMAT))
        offset = self.position
        self._put(raw)
        self._put(b"\0" * (-len(raw) % BLOCK))
        return offset

    def _put(self, raw: bytes) -> None:
        self._out.write(raw)
        self._hash.update(raw)
        self.position += len(raw)
