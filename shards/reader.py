"""Reads a data set: sample by sample in shard order, or any one by its key through a range read.

A data set may lie on any fsspec URL (a path, s3://, https://). Only what dataset.json lists is part of it.
"""

import json
import tarfile
from collections.abc import Iterator
from functools import cached_property
from typing import IO, Any

import fsspec
import pyarrow as pa

from humove.errors import UserError
from humove.types import Sample
from shards.documents import DatasetDoc, ShardRow, parse_dataset
from shards.format import DATASET_FILE, INDEX_FILE, MEMBERS, OUTCOMES_FILE, SHARDS_FOLDER, WORLD_MEMBER
from shards.index import Outcome, read_outcomes, read_rows, read_table
from shards.npz import decode_motion, decode_pose2d, decode_world
from shards.store import place_of, read_first


class Dataset:
    """An opened data set. Shards are opened as they are read; the index is read when a key is first asked for."""

    def __init__(self, path: str, fs: fsspec.AbstractFileSystem, root: str, doc: DatasetDoc) -> None:
        self.path, self.doc = path, doc
        self._fs, self._root = fs, root

    def open(self, name: str) -> IO[bytes]:
        """A file of the set by its name relative to the set, for reading and seeking."""
        return self._fs.open(f"{self._root}/{name}", "rb")

    def exists(self, name: str) -> bool:
        """Whether the set has a file of that name."""
        return self._fs.isfile(f"{self._root}/{name}")

    def names(self, folder: str = "") -> set[str]:
        """Names of the files and folders directly in a folder of the set; none where there is no such folder."""
        place = f"{self._root}/{folder}".rstrip("/")
        if not self._fs.isdir(place):
            return set()
        return {entry.rstrip("/").rpartition("/")[2] for entry in self._fs.ls(place, detail=False)}

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
            with self.open(f"{SHARDS_FOLDER}/{row.name}") as raw:
                for key, members in read_members(raw):
                    yield key, row.split, members

    def metas(self) -> Iterator[dict[str, Any]]:
        """Every sample's .json, in shard and key order; the videos are skipped over, not read."""
        for row in self.doc.shards:
            with self.open(f"{SHARDS_FOLDER}/{row.name}") as raw, tarfile.open(fileobj=raw, mode="r:") as box:
                for entry in box:
                    box.members.clear()
                    if entry.name.endswith(".json"):
                        yield json.loads(box.extractfile(entry).read())

    def index_rows(self, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
        """Rows of the index, streamed."""
        with self.open(INDEX_FILE) as raw:
            yield from read_rows(raw, columns)

    def outcomes(self) -> Iterator[Outcome]:
        """Rows of outcomes.parquet, streamed."""
        with self.open(OUTCOMES_FILE) as raw:
            yield from read_outcomes(raw)

    @cached_property
    def _places(self) -> tuple[dict[str, int], pa.Table]:
        with self.open(INDEX_FILE) as raw:
            table = read_table(raw, columns=["key", "split", "shard", "mp4_offset", "mp4_bytes"])
        return {key: row for row, key in enumerate(table["key"].to_pylist())}, table

    def keys(self) -> tuple[str, ...]:
        """Every sample's key, in the index's order."""
        return tuple(self._places[0])

    def _place(self, key: str) -> dict[str, Any]:
        rows, table = self._places
        if key not in rows:
            raise UserError(f"{self.path} has no sample {key}; index.parquet lists the {len(rows)} keys that it has")
        return table.slice(rows[key], 1).to_pylist()[0]

    def mp4(self, key: str) -> bytes:
        """One sample's video alone: a single range read."""
        place = self._place(key)
        with self.open(f"{SHARDS_FOLDER}/{place['shard']}") as raw:
            raw.seek(place["mp4_offset"])
            return raw.read(place["mp4_bytes"])

    def get(self, key: str) -> Sample:
        """One sample: a range read of its members, without reading the shard before it."""
        place = self._place(key)
        with self.open(f"{SHARDS_FOLDER}/{place['shard']}") as raw:
            raw.seek(place["mp4_offset"] - tarfile.BLOCKSIZE)
            found, members = next(read_members(raw), ("nothing", {}))
        if found != key:
            raise UserError(f"{self.path}: the index points at {found} for {key}; run `humove verify` on it")
        return decode_sample(key, place["split"], members)


def open_dataset(path: str) -> Dataset:
    """Opens the data set at a path or fsspec URL. UserError when there is none, or one of another schema version."""
    fs, root = place_of(str(path))
    raw = read_first(fs, root, DATASET_FILE, str(path), "give the folder that a build wrote with OUT=")
    return Dataset(str(path), fs, root, parse_dataset(raw, str(path)))


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
