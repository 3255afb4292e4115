"""Reads a data set: sample by sample in shard order, or any one by its key through a range read.

A data set may lie in a folder or at an address (s3://, gs://, https://). Only what dataset.json lists is part of it.
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
from shards.documents import DatasetDoc, ShardRow, parse_dataset
from shards.format import DATASET_FILE, MEMBERS, SHARDS_FOLDER, WORLD_MEMBER
from shards.index import Outcome
from shards.npz import decode_motion, decode_pose2d, decode_world
from shards.tables import iterate_table_rows, list_table_files, read_whole_table
from shards.tars import BLOCK

STREAM_BYTES = 8 << 20
"""Bytes of one request where a remote file is read from end to end."""
_PLACES = ("key", "split", "shard", "mp4_offset", "mp4_bytes", "offset", "bytes")
_TAIL_BYTES = 16 << 10
"""Bytes at a sample's end that its .json mostly lies in."""
_READS_AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplePlace:
    """Where a sample lies in its shard, as the index says; `start` and `size` are None in sets of older builds."""

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
        """Where the members after the video begin."""
        return self.mp4_offset + self.mp4_bytes + -self.mp4_bytes % BLOCK


class Dataset:
    """An opened data set. Shards are opened as they are read; the index is read when a key is first asked for."""

    def __init__(self, path: str, store: Store, doc: DatasetDoc) -> None:
        self.path, self.store, self.doc = path, store, doc
        self._sizes = {f"{SHARDS_FOLDER}/{row.name}": row.bytes for row in doc.shards}

    def open(self, name: str) -> IO[bytes]:
        """A file of the set by its name relative to the set; each read of a remote one is a request."""
        return self.store.open(name, None if self.store.is_local else self._sizes.get(name))

    def stream(self, name: str) -> IO[bytes]:
        """A file of the set, to be read from end to end: a remote one in pieces of STREAM_BYTES."""
        raw = self.open(name)
        return raw if self.store.is_local else io.BufferedReader(raw, STREAM_BYTES)

    def exists(self, name: str) -> bool:
        """Whether the set has a file of that name."""
        return self.store.exists(name)

    def names(self, folder: str = "") -> set[str]:
        """Names of the files and folders directly in a folder of the set; none where there is no such folder."""
        return self.store.names(folder)

    def shards(self, split: str | None = None) -> tuple[ShardRow, ...]:
        """The shards of a split, or all of them."""
        return tuple(row for row in self.doc.shards if split in (None, row.split))

    def __len__(self) -> int:
        return sum(row.num_samples for row in self.doc.shards)

    def samples(self, split: str | None = None) -> Iterator[Sample]:
        """Every sample of a split, or of all, in shard and key order; one in memory at a time."""
        for key, shard_split, members in self.raw_samples(split):
            yield decode_sample(key, shard_split, members)

    def raw_samples(self, split: str | None = None) -> Iterator[tuple[str, str, dict[str, bytes]]]:
        """(key, split, {suffix: bytes}) of each sample: what a build that re-packs samples copies."""
        for row in self.shards(split):
            with self.stream(f"{SHARDS_FOLDER}/{row.name}") as raw:
                for key, members in read_members(raw):
                    yield key, row.split, members

    def metas(self, shards: Container[str] | None = None) -> Iterator[dict[str, Any]]:
        """Every sample's .json, or those of some shards, in shard and key order; videos are skipped over, not read."""
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
        """The documents by ranged reads of the samples' ends, several at once."""
        keys: dict[str, list[str]] = {row.name: [] for row in rows}
        for key, shard in zip(self.keys(), self._places[1]["shard"].to_pylist(), strict=True):
            if shard in keys:
                keys[shard].append(key)
        with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
            for each in keys.values():
                yield from map(json.loads, pool.map(self._read_document, sorted(each)))

    def _read_document(self, key: str) -> bytes:
        place, name = self.find(key), f"{key}.{MEMBERS[-1]}"
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
            raise self._misplaced(key, "no document")
        return found

    def index_rows(self, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
        """Rows of the index, streamed; None for a column that a part of it lacks."""
        return iterate_table_rows(self.store, list_table_files(self.doc, "index"), columns)

    def outcomes(self) -> Iterator[Outcome]:
        """Rows of the outcomes, streamed."""
        return (Outcome(**row) for row in iterate_table_rows(self.store, list_table_files(self.doc, "outcomes")))

    def table(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """The whole of a table ("index" or "outcomes"), columnar. FileNotFoundError where a file of it is missing."""
        return read_whole_table(self.store, list_table_files(self.doc, name), columns)

    @cached_property
    def _places(self) -> tuple[dict[str, int], pa.Table]:
        table = self.table("index", list(_PLACES))
        return {key: row for row, key in enumerate(table["key"].to_pylist())}, table

    def keys(self) -> tuple[str, ...]:
        """Every sample's key, in the index's order."""
        return tuple(self._places[0])

    def find(self, key: str) -> SamplePlace:
        """Where a sample lies. UserError where the set has none of that key."""
        rows, table = self._places
        if key not in rows:
            raise UserError(f"{self.path} has no sample {key}; index.parquet lists the {len(rows)} keys that it has")
        row = table.slice(rows[key], 1).to_pylist()[0]
        return SamplePlace(
            split=row["split"],
            shard=row["shard"],
            mp4_offset=row["mp4_offset"],
            mp4_bytes=row["mp4_bytes"],
            start=row.get("offset"),
            size=row.get("bytes"),
        )

    def mp4(self, key: str) -> bytes:
        """One sample's video alone: a single range read."""
        place = self.find(key)
        return self.store.read_range(place.file, place.mp4_offset, place.mp4_offset + place.mp4_bytes)

    def get(self, key: str) -> Sample:
        """One sample: a single range read, without reading the shard before it."""
        place = self.find(key)
        found, members = self.read_sample(place.shard, place.mp4_offset, place.start, place.size)
        if found != key:
            raise self._misplaced(key, found)
        return decode_sample(key, place.split, members)

    def read_sample(
        self, shard: str, mp4_offset: int, start: int | None, size: int | None
    ) -> tuple[str, dict[str, bytes]]:
        """(key, {suffix: bytes}) of the sample at a place of a shard, ("nothing", {}) where no sample lies there.

        One range read where `start` and `size` are known; else the members' headers are followed from the video's on.
        """
        name = f"{SHARDS_FOLDER}/{shard}"
        if start is not None and size is not None:
            raw: IO[bytes] = io.BytesIO(self.store.read_range(name, start, start + size))
        else:
            raw = self.open(name)
            raw.seek(mp4_offset - BLOCK)
        with raw:
            return next(read_members(raw), ("nothing", {}))

    def _misplaced(self, key: str, found: str) -> UserError:
        return UserError(f"{self.path}: the index points at {found} for {key}; run `humove verify` on it")


def open_dataset(path: str | Path | Store) -> Dataset:
    """Opens the data set at a path, an address or in a store.

    UserError when there is none, or one of another schema version.
    """
    store = path if isinstance(path, Store) else open_store(path)
    raw = read_document(store, DATASET_FILE, str(path), "give the folder that a build wrote with OUT=")
    return Dataset(str(path), store, parse_dataset(raw, str(path)))


def read_document(store: Store, name: str, path: str, remedy: str) -> bytes:
    """The document that makes a folder a data set. UserError where it isn't there, or the store doesn't answer."""
    try:
        return store.read(name)
    except FileNotFoundError as error:
        raise UserError(f"{path} holds no {name}; {remedy}") from error
    except OSError as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path}/{name} could not be read: {text}; check the address and your rights there") from error


def find_member(raw: bytes, name: str) -> bytes | None:
    """The member `name` in a piece of a tar that begins at a header or anywhere at a multiple of BLOCK."""
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
    """(key, {suffix: bytes}) of each sample of a tar, from the stream's place on; one sample in memory at a time."""
    key, members = "", {}
    with tarfile.open(fileobj=raw, mode="r:") as box:
        for entry in box:
            box.members.clear()  # tarfile keeps every header it has seen
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
    """A sample's members as arrays and documents; the mp4 stays bytes."""
    return Sample(
        key=key,
        split=split,
        mp4=members["mp4"],
        motion=decode_motion(members["motion.npz"]),
        pose2d=decode_pose2d(members["pose2d.npz"]),
        meta=json.loads(members["json"]),
        world=decode_world(members[WORLD_MEMBER]) if WORLD_MEMBER in members else None,
    )
