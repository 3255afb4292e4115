"""Format and reader of motion without video, for the first phase of training.

    OUT/motion_dataset.json     the commit, written last: a file that it does not list is not part of the set
    OUT/shards/{split}-{000000}.tar
    OUT/index.parquet           one row per sample
    OUT/outcomes.parquet        one row per input file or listed clip, kept or not

A sample is three adjacent members: `.motion.npz` (the arrays of a paired sample, in a camera's frame),
`.txt` (its caption, empty if there is none) and `.json` (MotionOnlyMeta). Keys have the form of a paired sample's.
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
from shards.format import INDEX_FILE, OUTCOMES_FILE, SHARDS_FOLDER
from shards.motion_only.schemas import (
    MOTION_FILE,
    MOTION_MEMBERS,
    MotionOnlyDoc,
    MotionOnlyMeta,
    MotionOnlySample,
)
from shards.npz import decode_motion_npz
from shards.reader import STREAM_BYTES, read_document
from shards.schemas import ShardRow
from shards.tables import TableFile, iterate_table_rows, read_whole_table
from shards.tars import BLOCK

_DAMAGE = (
    tarfile.TarError, zipfile.BadZipFile, OSError, EOFError, ValueError, KeyError, NotImplementedError,
)  # fmt: skip
"""Errors of reading a damaged tar, npz or json."""


class MotionOnlyDataset:
    """An opened motion-only set, in a folder or at an address. Only what its document lists is part of it."""

    def __init__(self, path: str, store: Store, doc: MotionOnlyDoc) -> None:
        self.path, self.store, self.doc = path, store, doc
        self._sizes = {f"{SHARDS_FOLDER}/{row.name}": row.bytes for row in doc.shards}

    def __len__(self) -> int:
        return sum(row.num_samples for row in self.doc.shards)

    def open(self, name: str) -> IO[bytes]:
        """Open a file of the set by its relative name; each read of a remote file is a request."""
        return self.store.open(name, None if self.store.is_local else self._sizes.get(name))

    def exists(self, name: str) -> bool:
        """Return whether the set has a file of that name."""
        return self.store.exists(name)

    def list_shards(self, split: str | None = None) -> tuple[ShardRow, ...]:
        """List the shards of a split, or all."""
        return tuple(row for row in self.doc.shards if split in (None, row.split))

    def read_index(self, columns: list[str] | None = None) -> pa.Table:
        """Read the index, one row per sample, or some of its columns."""
        return read_whole_table(self.store, [TableFile(name=INDEX_FILE)], columns)

    def iterate_outcomes(self) -> Iterator[dict[str, Any]]:
        """Iterate over the outcomes of the inputs: source, outcome, reason, detail."""
        return iterate_table_rows(self.store, [TableFile(name=OUTCOMES_FILE)])

    def iterate_samples(self, split: str | None = None) -> Iterator[MotionOnlySample]:
        """Iterate over the samples of a split, or all, in shard and key order; one in memory at a time."""
        for row in self.list_shards(split):
            yield from self.iterate_shard(row.name)

    def iterate_shard(self, shard: str) -> Iterator[MotionOnlySample]:
        """Iterate over the samples of one shard, in key order."""
        try:
            with self.open(f"{SHARDS_FOLDER}/{shard}") as raw:
                stream = raw if self.store.is_local else io.BufferedReader(raw, STREAM_BYTES)
                yield from map(_decode_sample, _iterate_members(stream))
        except _DAMAGE as error:
            raise self._make_damage_error(shard, error) from error

    @cached_property
    def _places(self) -> dict[str, tuple[str, int]]:
        table = self.read_index(["key", "shard", "offset"])
        columns = (table[name].to_pylist() for name in ("key", "shard", "offset"))
        return {key: (shard, offset) for key, shard, offset in zip(*columns, strict=True)}

    @cached_property
    def _ends(self) -> dict[tuple[str, int], int]:
        """End of each sample: the first header of the next one in its shard, or the end of the shard."""
        table = self.read_index(["shard", "offset"])
        rows = sorted(zip(table["shard"].to_pylist(), table["offset"].to_pylist(), strict=True))
        ends = {}
        for (shard, offset), (after, start) in zip(rows, [*rows[1:], ("", 0)], strict=True):
            size = self._sizes.get(f"{SHARDS_FOLDER}/{shard}", 0)
            ends[shard, offset] = start - BLOCK if after == shard else size
        return ends

    def keys(self) -> tuple[str, ...]:
        """Return all keys, in the index's order."""
        return tuple(self._places)

    def get(self, key: str) -> MotionOnlySample:
        """Read a sample with a range read. UserError, one line, if the key is unknown or the shard is damaged."""
        if key not in self._places:
            raise UserError(f"{self.path} has no sample {key}; index.parquet lists its {len(self._places)} keys")
        shard, offset = self._places[key]
        return self.read_sample_at(shard, offset, key)

    def read_sample_at(self, shard: str, offset: int, key: str) -> MotionOnlySample:
        """Read the sample whose first member's data is at `offset` of a shard, as listed in the index."""
        try:
            with self._open_at(shard, offset) as raw:
                sample = _decode_sample(next(_iterate_members(raw), {}))
        except _DAMAGE as error:
            raise self._make_damage_error(shard, error) from error
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

    def _make_damage_error(self, shard: str, error: Exception) -> UserError:
        what = "is missing" if isinstance(error, FileNotFoundError) else f"is damaged ({type(error).__name__}: {error})"
        line = " ".join(f"{self.path}: {SHARDS_FOLDER}/{shard} {what}".split())
        return UserError(f"{line}; import the motion again or restore it from a copy", EXIT_DEFECT)


def open_motion_only(path: str) -> MotionOnlyDataset:
    """Open the motion-only set at a path or an address. UserError if there is none, or one of another version."""
    store = open_store(path)
    raw = read_document(store, MOTION_FILE, str(path), "give the folder that `humove import-motion` wrote")
    try:
        doc = MotionOnlyDoc.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        raise UserError(f"{path}/{MOTION_FILE}: {place}: {first['msg']}; import the motion again") from error
    return MotionOnlyDataset(str(path), store, doc)


def _iterate_members(raw: IO[bytes]) -> Iterator[dict[str, bytes]]:
    """Iterate over {suffix: bytes} of a tar's samples, from the stream's position."""
    members: dict[str, bytes] = {}
    with tarfile.open(fileobj=raw, mode="r:") as box:
        for entry in box:
            box.members.clear()  # tarfile keeps all headers
            content = box.extractfile(entry)
            members[entry.name.partition(".")[2]] = content.read() if content else b""
            if len(members) == len(MOTION_MEMBERS):
                yield members
                members = {}


def _decode_sample(members: dict[str, bytes]) -> MotionOnlySample:
    return MotionOnlySample(
        motion=decode_motion_npz(members["motion.npz"]), meta=MotionOnlyMeta.model_validate_json(members["json"])
    )
