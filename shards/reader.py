"""Read a data set: all samples in shard order, or one by its key with a range read.

A data set is in a folder or at an address (s3://, gs://, https://). Only what dataset.json lists is part of it.
"""

import io
import json
import tarfile
from collections.abc import Container, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from humove.errors import UserError
from humove.storage import Store, open_store
from humove.types import Sample
from shards.format import DATASET_FILE, MEMBERS, SHARDS_FOLDER, WORLD_MEMBER
from shards.index import Outcome
from shards.npz import decode_motion_npz, decode_pose2d_npz, decode_world_npz
from shards.schemas import DatasetDoc, ShardRow, parse_dataset
from shards.tables import iterate_table_rows, list_table_files, read_whole_table
from shards.tars import BLOCK

STREAM_BYTES = 8 << 20
"""Bytes per request when a remote file is read from end to end."""
_PLACE_COLUMNS = ("key", "split", "shard", "mp4_offset", "mp4_bytes", "offset", "bytes")
_TAIL_BYTES = 16 << 10
"""Bytes at a sample's end that usually contain its .json."""
_READS_AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplePlace:
    """A sample's place in its shard, from the index; `start` and `size` are None in sets of older builds."""

    split: str
    shard: str
    mp4_offset: int
    mp4_bytes: int
    start: int | None
    size: int | None

    @property
    def file(self) -> str:
        """The shard's name relative to the set."""
        return f"{SHARDS_FOLDER}/{self.shard}"

    @property
    def after_mp4(self) -> int:
        """Offset of the members after the video."""
        return self.mp4_offset + self.mp4_bytes + -self.mp4_bytes % BLOCK


class Dataset:
    """An opened data set. Shards are opened as they are read; the index is read on the first use of a key."""

    def __init__(self, path: str, store: Store, doc: DatasetDoc) -> None:
        self.path, self.store, self.doc = path, store, doc
        self._sizes = {f"{SHARDS_FOLDER}/{row.name}": row.bytes for row in doc.shards}

    def open(self, name: str) -> IO[bytes]:
        """Open a file of the set by its relative name; each read of a remote file is a request."""
        return self.store.open(name, None if self.store.is_local else self._sizes.get(name))

    def stream(self, name: str) -> IO[bytes]:
        """Open a file of the set to read from end to end: a remote file in pieces of STREAM_BYTES."""
        raw = self.open(name)
        return raw if self.store.is_local else io.BufferedReader(raw, STREAM_BYTES)

    def exists(self, name: str) -> bool:
        """Return whether the set has a file of that name."""
        return self.store.exists(name)

    def list_names(self, folder: str = "") -> set[str]:
        """List the files and folders directly in a folder of the set; none if there is no such folder."""
        return self.store.names(folder)

    def list_shards(self, split: str | None = None) -> tuple[ShardRow, ...]:
        """List the shards of a split, or all."""
        return tuple(row for row in self.doc.shards if split in (None, row.split))

    def __len__(self) -> int:
        return sum(row.num_samples for row in self.doc.shards)

    def iterate_samples(self, split: str | None = None) -> Iterator[Sample]:
        """Iterate over the samples of a split, or all, in shard and key order; one in memory at a time."""
        for row in self.list_shards(split):
            with self.stream(f"{SHARDS_FOLDER}/{row.name}") as raw:
                for key, members in read_members(raw):
                    yield decode_sample(key, row.split, members)

    def iterate_metas(self, shards: Container[str] | None = None) -> Iterator[dict[str, Any]]:
        """Iterate over the samples' .json, of all or some shards, in shard and key order; videos are not read."""
        rows = [row for row in self.doc.shards if shards is None or row.name in shards]
        if not self.store.is_local:
            yield from self._read_remote_metas(rows)
            return
        for row in rows:
            with self.open(f"{SHARDS_FOLDER}/{row.name}") as raw, tarfile.open(fileobj=raw, mode="r:") as box:
                for entry in box:
                    box.members.clear()
                    if entry.name.endswith(".json"):
                        yield json.loads(box.extractfile(entry).read())

    def _read_remote_metas(self, rows: list[ShardRow]) -> Iterator[dict[str, Any]]:
        """Read the documents by range reads of the samples' ends, several at once."""
        keys: dict[str, list[str]] = {row.name: [] for row in rows}
        for key, shard in zip(self.keys(), self._places[1]["shard"].to_pylist(), strict=True):
            if shard in keys:
                keys[shard].append(key)
        with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
            for each in keys.values():
                yield from map(json.loads, pool.map(self._read_document, sorted(each)))

    def _read_document(self, key: str) -> bytes:
        place, name = self.find_sample(key), f"{key}.{MEMBERS[-1]}"
        if place.start is None or place.size is None:
            with self.open(place.file) as raw:
                raw.seek(place.mp4_offset - BLOCK)
                return next(read_members(raw))[1][MEMBERS[-1]]
        end = place.start + place.size
        tail = self.store.read_range(place.file, max(place.after_mp4, end - _TAIL_BYTES), end)
        found = find_member(tail, name)
        if found is None:
            found = find_member(self.store.read_range(place.file, place.after_mp4, end), name)
        if found is None:
            raise self._make_misplaced_error(key, "no document")
        return found

    def iterate_index_rows(self, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
        """Stream the rows of the index; None for a column that a part lacks."""
        return iterate_table_rows(self.store, list_table_files(self.doc, "index"), columns)

    def iterate_outcomes(self) -> Iterator[Outcome]:
        """Stream the rows of the outcomes."""
        return (Outcome(**row) for row in iterate_table_rows(self.store, list_table_files(self.doc, "outcomes")))

    def read_table(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """Read a whole table ("index" or "outcomes"). FileNotFoundError if one of its files is missing."""
        return read_whole_table(self.store, list_table_files(self.doc, name), columns)

    @cached_property
    def _places(self) -> tuple[dict[str, int], pa.Table]:
        table = self.read_table("index", list(_PLACE_COLUMNS))
        return {key: row for row, key in enumerate(table["key"].to_pylist())}, table

    def keys(self) -> tuple[str, ...]:
        """Return all keys, in the index's order."""
        return tuple(self._places[0])

    def find_sample(self, key: str) -> SamplePlace:
        """Find a sample's place. UserError if the set has no sample of that key."""
        rows, table = self._places
        if key not in rows:
            raise UserError(f"{self.path} has no sample {key}; index.parquet lists its {len(rows)} keys")
        row = table.slice(rows[key], 1).to_pylist()[0]
        return SamplePlace(
            split=row["split"],
            shard=row["shard"],
            mp4_offset=row["mp4_offset"],
            mp4_bytes=row["mp4_bytes"],
            start=row.get("offset"),
            size=row.get("bytes"),
        )

    def read_mp4(self, key: str) -> bytes:
        """Read a sample's video with a single range read."""
        place = self.find_sample(key)
        return self.store.read_range(place.file, place.mp4_offset, place.mp4_offset + place.mp4_bytes)

    def get(self, key: str) -> Sample:
        """Read a sample with a single range read."""
        place = self.find_sample(key)
        found, members = self.read_sample(place.shard, place.mp4_offset, place.start, place.size)
        if found != key:
            raise self._make_misplaced_error(key, found)
        return decode_sample(key, place.split, members)

    def read_sample(
        self, shard: str, mp4_offset: int, start: int | None, size: int | None
    ) -> tuple[str, dict[str, bytes]]:
        """Read (key, {suffix: bytes}) of the sample at a place of a shard, ("nothing", {}) if there is none.

        One range read if `start` and `size` are known, else member by member from the video on.
        """
        name = f"{SHARDS_FOLDER}/{shard}"
        if start is not None and size is not None:
            raw: IO[bytes] = io.BytesIO(self.store.read_range(name, start, start + size))
        else:
            raw = self.open(name)
            raw.seek(mp4_offset - BLOCK)
        with raw:
            return next(read_members(raw), ("nothing", {}))

    def _make_misplaced_error(self, key: str, found: str) -> UserError:
        return UserError(f"{self.path}: the index points at {found} for {key}; run `humove verify` on it")


def open_dataset(path: str | Path | Store) -> Dataset:
    """Open a data set. UserError if there is none, or one of another schema version."""
    store = path if isinstance(path, Store) else open_store(path)
    raw = read_document(store, DATASET_FILE, str(path), "give the folder that a build wrote with OUT=")
    return Dataset(str(path), store, parse_dataset(raw, str(path)))


def read_document(store: Store, name: str, path: str, remedy: str) -> bytes:
    """Read a data set's document. UserError if it is missing, or the store does not answer."""
    try:
        return store.read(name)
    except FileNotFoundError as error:
        raise UserError(f"{path} holds no {name}; {remedy}") from error
    except OSError as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path}/{name} could not be read: {text}; check the address and your access rights") from error


def find_member(raw: bytes, name: str) -> bytes | None:
    """Find the member `name` in a piece of a tar that begins at a multiple of BLOCK."""
    for offset in range(0, len(raw), BLOCK):
        if raw.startswith(name.encode() + b"\0", offset):
            try:
                head = tarfile.TarInfo.frombuf(raw[offset : offset + BLOCK], "utf-8", "strict")
            except tarfile.HeaderError:
                continue
            content = raw[offset + BLOCK : offset + BLOCK + head.size]
            return content if len(content) == head.size else None
    return None


def read_members(raw: IO[bytes]) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Iterate over (key, {suffix: bytes}) of a tar's samples from the stream's position; one in memory at a time."""
    key, members = "", {}
    with tarfile.open(fileobj=raw, mode="r:") as box:
        for entry in box:
            box.members.clear()  # tarfile keeps all headers
            name, _, suffix = entry.name.partition(".")
            if name != key and members:
                yield key, members
                members = {}
            key = name
            content = box.extractfile(entry)
            members[suffix] = content.read() if content else b""
            if suffix == MEMBERS[-1]:
                yield key, members
                members = {}
    if members:
        yield key, members


def decode_sample(key: str, split: str, members: dict[str, bytes]) -> Sample:
    """Decode a sample's members to arrays and documents; the mp4 stays bytes."""
    return Sample(
        key=key,
        split=split,
        mp4=members["mp4"],
        motion=decode_motion_npz(members["motion.npz"]),
        pose2d=decode_pose2d_npz(members["pose2d.npz"]),
        meta=json.loads(members["json"]),
        world=decode_world_npz(members[WORLD_MEMBER]) if WORLD_MEMBER in members else None,
    )
