"""What people think of clips: good, bad, and why. One line a mark; the last one on a clip counts."""

import fcntl
import json
import math
import os
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Literal

from pydantic import Field, ValidationError

from humove.config import Strict
from humove.errors import UserError
from humove.storage import Store
from humove.storage.remote import RemoteStore
from shards.format import MARKS_FILE

_LONGEST = 1 << 16
"""Bytes; no line is longer."""
_FRESH_S, _TRIES = 10.0, 5


class Mark(Strict):
    """One line of marks.jsonl; an empty mark takes back what was said before."""

    clip_id: str = Field(max_length=1000)
    mark: Literal["good", "bad", ""]
    why: str = Field("", max_length=2000)
    time: str = ""


def read_marks(path: Path) -> dict[str, Mark]:
    """The marks that count, by clip_id; none where there is no file. What a killed writer left of a line is skipped.

    UserError naming the line that is no mark.
    """
    try:
        return parse_marks(path.read_bytes(), str(path))
    except FileNotFoundError:
        return {}


def read_stored_marks(store: Store) -> dict[str, Mark]:
    """`read_marks` of a data set in a store."""
    try:
        return parse_marks(store.read(MARKS_FILE), f"{store.location}/{MARKS_FILE}")
    except FileNotFoundError:
        return {}


def parse_marks(raw: bytes, place: str) -> dict[str, Mark]:
    """The marks that count in a file's bytes; `place` names it in errors."""
    lines = raw.split(b"\n")
    marks: dict[str, Mark] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue  # the end of the file
        try:
            mark = Mark.model_validate_json(line)
        except ValidationError as error:
            if number == len(lines):
                continue
            said = error.errors()[0]["msg"]
            raise UserError(f"{place}, line {number}: no mark: {said}; mend or remove the line") from error
        marks[mark.clip_id] = mark
    return {clip_id: mark for clip_id, mark in marks.items() if mark.mark}


@dataclass(frozen=True, slots=True)
class _Stamp:
    size: int
    time_ns: int


class Marks:
    """The marks of one file. Several explorers may write to it; each sees what the others said."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp: _Stamp | None = None
        self._marks: dict[str, Mark] = {}

    def all(self) -> dict[str, Mark]:
        """The marks that count, by clip_id. A new dict whenever the file has changed, else the same one."""
        with self._lock:
            try:
                stat = self._path.stat()
            except FileNotFoundError:
                stamp = _Stamp(0, 0)
            else:
                stamp = _Stamp(stat.st_size, stat.st_mtime_ns)
            if stamp != self._stamp:
                self._marks, self._stamp = read_marks(self._path), stamp
            return self._marks

    def add(self, clip_id: str, mark: Literal["good", "bad", ""], why: str) -> Mark:
        """Appends a mark; it is on disk when this returns. UserError where the file cannot be written."""
        said = Mark(clip_id=clip_id, mark=mark, why=why, time=datetime.now(UTC).isoformat(timespec="seconds"))
        line = json.dumps(said.model_dump()).encode() + b"\n"
        try:
            with self._lock, self._path.open("ab+") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                _mend_end(file)
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise UserError(f"{self._path}: cannot be written: {error.strerror}") from error
        return said


class StoredMarks:
    """The marks of a data set in an object store, where a file can only be replaced as a whole.

    What others say shows after _FRESH_S; what two say at once is not lost, where the store knows conditional writes.
    """

    def __init__(self, store: RemoteStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._read = -math.inf
        self._marks: dict[str, Mark] = {}

    def all(self) -> dict[str, Mark]:
        """The marks that count, by clip_id, as they were at most _FRESH_S ago."""
        with self._lock:
            if time.monotonic() - self._read > _FRESH_S:
                self._marks, self._read = read_stored_marks(self._store), time.monotonic()
            return self._marks

    def add(self, clip_id: str, mark: Literal["good", "bad", ""], why: str) -> Mark:
        """Adds a mark; it is in the store when this returns. UserError where the file cannot be written."""
        said = Mark(clip_id=clip_id, mark=mark, why=why, time=datetime.now(UTC).isoformat(timespec="seconds"))
        line = json.dumps(said.model_dump()).encode() + b"\n"
        with self._lock:
            for _ in range(_TRIES):
                try:
                    self._append(line)
                except FileExistsError:
                    continue  # another explorer wrote in between
                except ConnectionError as error:
                    raise UserError(f"{error}; mark it again") from error
                self._read = -math.inf
                return said
        raise UserError(f"{self._store.location}/{MARKS_FILE}: others write to it all the time; mark it again")

    def _append(self, line: bytes) -> None:
        try:
            tag = self._store.tag(MARKS_FILE)
            before = self._store.read(MARKS_FILE)
        except FileNotFoundError:
            self._store.create(MARKS_FILE, line)
            return
        self._store.replace_unchanged(MARKS_FILE, before + (b"" if before.endswith(b"\n") else b"\n") + line, tag)


def _mend_end(file: BinaryIO) -> None:
    """Ends the last line where that is a mark, and takes away what a killed writer left of one."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - _LONGEST))
    _, _, rest = (b"\n" + file.read()).rpartition(b"\n")
    if not rest:
        return
    try:
        Mark.model_validate_json(rest)
    except ValidationError:
        file.truncate(file.seek(0, os.SEEK_END) - len(rest))
    else:
        file.write(b"\n")
