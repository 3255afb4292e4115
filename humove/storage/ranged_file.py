"""A seekable remote file that fetches only the bytes read."""

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from humove.storage.store import Store


class RangedFile(io.RawIOBase):
    """A file that reads a store; each read is one ranged request."""

    def __init__(self, store: "Store", name: str, size: int) -> None:
        self._store, self.name, self._size, self._position = store, name, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError(f"{self.name}: byte {start + offset} is before its start")
        self._position = start + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        end = self._size if size is None or size < 0 else min(self._position + size, self._size)
        if end <= self._position:
            return b""
        data = self._store.read_range(self.name, self._position, end)
        self._position = end
        return data

    def readinto(self, buffer) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        return self.read(-1)
