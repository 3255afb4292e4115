"""Motion without video, for the first phase of training: the format and its reader.

    OUT/motion_dataset.json     the commit, replaced last: what it does not list is no part of the set
    OUT/shards/{split}-{000000}.tar
    OUT/index.parquet           one row a sample
    OUT/outcomes.parquet        one row for every file or listed clip that entered, kept or not

A sample is three members side by side: `.motion.npz` (the arrays of a paired sample's, in the frame of a camera),
`.txt` (its caption, empty where there is none) and `.json` (MotionOnlyMeta). Keys have the form of a paired sample's.
"""

import io
import tarfile
import zipfile
from collections.abc import Iterator
from functools import cached_property
from typing import IO, Any

import pyarrow as pa
from pydantic import ValidationError

from humove.errors import EXIT_DEFECT, UserError
from humove.storage import Store, open_store
from shards.documents import ShardRow
from shards.format import INDEX_FILE, OUTCOMES_FILE, SHARDS_FOLDER
from shards.motion_only_documents import (
    MOTION_FILE,
    MOTION_MEMBERS,
    MotionOnlyDoc,
    MotionOnlyMeta,
    MotionOnlySample,
)
from shards.npz import decode_motion
from shards.reader import STREAM_BYTES, read_document
from shards.tables import TableFile, iterate_table_rows, read_whole_table
from shards.tars import BLOCK

_DAMAGE = (
    tarfile.TarError, zipfile.BadZipFile, OSError, EOFError, ValueError, KeyError, NotImplementedError,
)  # fmt: skip
"""What reading a broken tar, npz or json raises."""


class MotionOnlyDataset:
    """An opened motion-only set, in a folder or at an address. Only what its document lists is part of it."""

    def __init__(self, path: str, store: Store, doc: MotionOnlyDoc) -> None:
        self.path, self.store, self.doc = path, store, doc
        self._sizes = {f"{SHARDS_FOLDER}/{row.name}": row.bytes for row in doc.shards}

    def __len__(self) -> int:
        return sum(row.num_samples for row in self.doc.shards)

    def open(self, name: str) -> IO[bytes]:
        """A file of the set by its name relative to the set; each read of a remote one is a request."""
        return self.store.open(name, None if self.store.is_local else self._sizes.get(name))

    def exists(self, name: str) -> bool:
        """Whether the set has a file of that name."""
        return self.store.exists(name)

    def shards(self, split: str | None = None) -> tuple[ShardRow, ...]:
        """The shards of a split, or all of them."""
        return tuple(row for row in self.doc.shards if split in (None, row.split))

    def index(self, columns: list[str] | None = None) -> pa.Table:
        """The index, one row a sample, or some of its columns."""
        return read_whole_table(self.store, [TableFile(name=INDEX_FILE)], columns)

    def outcomes(self) -> Iterator[dict[str, Any]]:
        """What became of every input: source, outcome, reason, detail."""
        return iterate_table_rows(self.store, [TableFile(name=OUTCOMES_FILE)])

    def samples(self, split: str | None = None) -> Iterator[MotionOnlySample]:
        """Every sample of a split, or of all, in shard and key order; one in memory at a time."""
        for row in self.shards(split):
            yield from self.shard_samples(row.name)

    def shard_samples(self, shard: str) -> Iterator[MotionOnlySample]:
        """Every sample of one shard, in key order."""
        try:
            with self.open(f"{SHARDS_FOLDER}/{shard}") as raw:
                stream = raw if self.store.is_local else io.BufferedReader(raw, STREAM_BYTES)
                yield from map(_decode, _read(stream))
        except _DAMAGE as error:
            raise self._told(shard, error) from error

    @cached_property
    def _places(self) -> dict[str, tuple[str, int]]:
        table = self.index(["key", "shard", "offset"])
        columns = (table[name].to_pylist() for name in ("key", "shard", "offset"))
        return {key: (shard, offset) for key, shard, offset in zip(*columns, strict=True)}

    @cached_property
    def _ends(self) -> dict[tuple[str, int], int]:
        """Where each sample ends: at the first header of the next one in its shard, or where the shard ends."""
        table = self.index(["shard", "offset"])
        rows = sorted(zip(table["shard"].to_pylist(), table["offset"].to_pylist(), strict=True))
        ends = {}
        for (shard, offset), (after, start) in zip(rows, [*rows[1:], ("", 0)], strict=True):
            whole = self._sizes.get(f"{SHARDS_FOLDER}/{shard}", 0)
            ends[shard, offset] = start - BLOCK if after == shard else whole
        return ends

    def keys(self) -> tuple[str, ...]:
        """Every sample's key, in the index's order."""
        return tuple(self._places)

    def get(self, key: str) -> MotionOnlySample:
        """One sample by a range read. UserError, one line, where the set has none or its shard is damaged."""
        if key not in self._places:
            raise UserError(f"{self.path} has no sample {key}; index.parquet lists the {len(self._places)} it has")
        shard, offset = self._places[key]
        return self.at(shard, offset, key)

    def at(self, shard: str, offset: int, key: str) -> MotionOnlySample:
        """The sample whose first member's data lies at `offset` of a shard, as the index says."""
        try:
            with self._open_at(shard, offset) as raw:
                sample = _decode(next(_read(raw), {}))
        except _DAMAGE as error:
            raise self._told(shard, error) from error
        if sample.key != key:
            raise UserError(f"{self.path}: {shard} holds {sample.key} where the index has {key}; import it again")
        return sample

    def _open_at(self, shard: str, offset: int) -> IO[bytes]:
        name, start = f"{SHARDS_FOLDER}/{shard}", offset - BLOCK
        if not self.store.is_local:
            return io.BytesIO(self.store.read_range(name, start, self._ends[shard, offset]))
        raw = self.open(name)
        raw.seek(start)
        return raw

    def _told(self, shard: str, error: Exception) -> UserError:
        what = "is missing" if isinstance(error, FileNotFoundError) else f"is damaged ({type(error).__name__}: {error})"
        said = " ".join(f"{self.path}: {SHARDS_FOLDER}/{shard} {what}".split())
        return UserError(f"{said}; import the motion again or restore it from a copy", EXIT_DEFECT)


def open_motion_only(path: str) -> MotionOnlyDataset:
    """Opens the motion-only set at a path or an address. UserError when there is none, or one of another version."""
    store = open_store(path)
    raw = read_document(store, MOTION_FILE, str(path), "give the folder that `humove import-motion` wrote")
    try:
        doc = MotionOnlyDoc.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        raise UserError(f"{path}/{MOTION_FILE}: {place}: {first['msg']}; import the motion again") from error
    return MotionOnlyDataset(str(path), store, doc)


def _read(raw: IO[bytes]) -> Iterator[dict[str, bytes]]:
    """{suffix: bytes} of each sample of a tar, from the stream's place on."""
    members: dict[str, bytes] = {}
    with tarfile.open(fileobj=raw, mode="r:") as box:
        for entry in box:
            box.members.clear()  # tarfile keeps every header it has seen
            content = box.extractfile(entry)
            members[entry.name.partition(".")[2]] = content.read() if content else b""
            if len(members) == len(MOTION_MEMBERS):
                yield members
                members = {}


def _decode(members: dict[str, bytes]) -> MotionOnlySample:
    return MotionOnlySample(
        motion=decode_motion(members["motion.npz"]), meta=MotionOnlyMeta.model_validate_json(members["json"])
    )
