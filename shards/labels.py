"""Labels of clips: good or bad, and why. A file has one line per label; the last one of a clip counts."""

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

from humove.config.strict import Strict
from humove.errors import UserError
from humove.storage import Store, open_store
from humove.storage.remote import RemoteStore
from shards.format import FORMER_LABELS_FILE, LABELS_FILE

_LONGEST = 1 << 16
"""Bytes; no line is longer."""
_FRESH_S, _TRIES = 10.0, 5


class Label(Strict):
    """One line of labels.jsonl; an empty `mark` removes the clip's label."""

    clip_id: str = Field(max_length=1000)
    mark: Literal["good", "bad", ""]
    why: str = Field("", max_length=2000)
    time: str = ""


def read_labels(path: Path) -> dict[str, Label]:
    """Read the labels in force, by clip_id; none if there is no file. An incomplete last line is skipped.

    UserError naming the line that is not a label.
    """
    return read_stored_labels(open_store(path.parent), path.name)


def read_stored_labels(store: Store, name: str = LABELS_FILE) -> dict[str, Label]:
    """Read the labels in force from a file of a store, as `read_labels` does."""
    try:
        return load_labels(store, name)
    except FileNotFoundError:
        return {}


def load_labels(store: Store, name: str) -> dict[str, Label]:
    """Read the labels in force; those of labels.jsonl include those of the file's former name, which are older.

    FileNotFoundError if there is neither.
    """
    names = [FORMER_LABELS_FILE] if name == LABELS_FILE and store.exists(FORMER_LABELS_FILE) else []
    if not names or store.exists(name):
        names.append(name)
    lines = (_parse_lines(store.read(each), f"{store.location}/{each}") for each in names)
    return _drop_removed({clip_id: label for part in lines for clip_id, label in part.items()})


def parse_labels(raw: bytes, place: str) -> dict[str, Label]:
    """Parse the labels in force from a file's bytes; `place` names it in errors."""
    return _drop_removed(_parse_lines(raw, place))


def _drop_removed(labels: dict[str, Label]) -> dict[str, Label]:
    return {clip_id: label for clip_id, label in labels.items() if label.mark}


def _parse_lines(raw: bytes, place: str) -> dict[str, Label]:
    """Parse the last line of each clip, also where it removes a label."""
    lines = raw.split(b"\n")
    labels: dict[str, Label] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue  # the end of the file
        try:
            label = Label.model_validate_json(line)
        except ValidationError as error:
            if number == len(lines):
                continue
            message = error.errors()[0]["msg"]
            raise UserError(f"{place}, line {number}: not a label: {message}; correct or remove the line") from error
        labels[label.clip_id] = label
    return labels


@dataclass(frozen=True, slots=True)
class _Stamp:
    size: int
    time_ns: int


class LabelFile:
    """The labels of one local file. Several explorers may write to it; each reads what the others wrote."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamps: list[_Stamp] | None = None
        self._labels: dict[str, Label] = {}

    def read(self) -> dict[str, Label]:
        """Return the labels in force, by clip_id: a new dict whenever a file has changed, else the same one."""
        with self._lock:
            stamps = [_read_stamp(path) for path in (self._path, self._path.with_name(FORMER_LABELS_FILE))]
            if stamps != self._stamps:
                self._labels, self._stamps = read_labels(self._path), stamps
            return self._labels

    def add(self, clip_id: str, mark: Literal["good", "bad", ""], why: str) -> Label:
        """Append a label; it is on disk when this returns. UserError if the file cannot be written."""
        label = Label(clip_id=clip_id, mark=mark, why=why, time=datetime.now(UTC).isoformat(timespec="seconds"))
        line = json.dumps(label.model_dump()).encode() + b"\n"
        try:
            with self._lock, self._path.open("ab+") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                _mend_end(file)
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise UserError(f"{self._path}: cannot be written: {error.strerror}") from error
        return label


def _read_stamp(path: Path) -> _Stamp:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return _Stamp(0, 0)
    return _Stamp(stat.st_size, stat.st_mtime_ns)


class StoredLabels:
    """The labels of a data set in an object store, where a file can only be replaced as a whole.

    Labels by others show after _FRESH_S. Simultaneous labels are not lost if the store has conditional writes.
    """

    def __init__(self, store: RemoteStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._read_at = -math.inf
        self._labels: dict[str, Label] = {}

    def read(self) -> dict[str, Label]:
        """Return the labels in force, by clip_id, as they were at most _FRESH_S ago."""
        with self._lock:
            if time.monotonic() - self._read_at > _FRESH_S:
                self._labels, self._read_at = read_stored_labels(self._store), time.monotonic()
            return self._labels

    def add(self, clip_id: str, mark: Literal["good", "bad", ""], why: str) -> Label:
        """Add a label; it is in the store when this returns. UserError if the file cannot be written."""
        label = Label(clip_id=clip_id, mark=mark, why=why, time=datetime.now(UTC).isoformat(timespec="seconds"))
        line = json.dumps(label.model_dump()).encode() + b"\n"
        with self._lock:
            for _ in range(_TRIES):
                try:
                    self._append_line(line)
                except FileExistsError:
                    continue  # another explorer wrote in between
                except ConnectionError as error:
                    raise UserError(f"{error}; label it again") from error
                self._read_at = -math.inf
                return label
        raise UserError(
            f"{self._store.location}/{LABELS_FILE}: other explorers keep writing to it; label the clip again"
        )

    def _append_line(self, line: bytes) -> None:
        try:
            tag = self._store.tag(LABELS_FILE)
            before = self._store.read(LABELS_FILE)
        except FileNotFoundError:
            self._store.create(LABELS_FILE, line)
            return
        self._store.replace_unchanged(LABELS_FILE, before + (b"" if before.endswith(b"\n") else b"\n") + line, tag)


def _mend_end(file: BinaryIO) -> None:
    """End the last line if it is a complete label, else remove it."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - _LONGEST))
    _, _, rest = (b"\n" + file.read()).rpartition(b"\n")
    if not rest:
        return
    try:
        Label.model_validate_json(rest)
    except ValidationError:
        file.truncate(file.seek(0, os.SEEK_END) - len(rest))
    else:
        file.write(b"\n")
