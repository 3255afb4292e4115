"""Motion without its video, for the first phase: the data set's own clips and those of motion-only sets.

A paired clip's video is skipped over, not read. Clips of both kinds go to the buckets that their shape and length
would have in the second phase, since the place of motion tokens depends on the video's token grid.
"""

import hashlib
import io
import json
import tarfile
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from echomotion_model.data.config import LoaderConfig
from echomotion_model.importing.camera import HEIGHT, WIDTH
from humove.errors import EXIT_DEFECT, EXIT_NO_SAMPLES, UserError
from humove.types import SmplMotion
from shards.buckets import Bucket, LeftOut, bucket_of
from shards.format import MEMBERS, SHARDS_FOLDER, WORLD_MEMBER
from shards.motion_only import MotionOnlyDataset
from shards.npz import decode_motion
from shards.reader import Dataset
from shards.tars import BLOCK

_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError, ValueError, KeyError)
_ANY_SIZE = 1e6
"""A motion-only clip has no picture that could be too small."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clip:
    """A clip's whole motion, and what is said of it."""

    motion: SmplMotion
    captions: tuple[str, ...]
    """At least one; "" where nothing is said."""
    shape_source: str


class MotionCatalogue:
    """Every motion that trains, in the order of the sets given. UserError where there is none."""

    def __init__(self, dataset: Dataset, motion_only: Sequence[MotionOnlyDataset], config: LoaderConfig) -> None:
        if config.split not in dataset.doc.splits:
            raise UserError(f"{dataset.path} has no split {config.split!r}; it has {', '.join(dataset.doc.splits)}")
        self._sets = (dataset, *motion_only)
        self.left_out: list[dict[str, int]] = []
        """Of each set, those that no bucket takes, by reason."""
        tables: list[pa.Table] = []
        members: dict[Bucket, list[int]] = {}
        for each in self._sets:
            buckets = config.buckets
            if isinstance(each, MotionOnlyDataset):
                buckets = buckets.model_copy(update={"max_upscale": _ANY_SIZE})
            first, left_out = sum(map(len, tables)), Counter[LeftOut]()
            tables.append(_table(each, config.split))
            shapes = (tables[-1][name].to_pylist() for name in ("num_frames", "fps", "width", "height"))
            for row, shape in enumerate(zip(*shapes, strict=True), start=first):
                verdict = bucket_of(*shape, buckets)
                if isinstance(verdict, Bucket):
                    members.setdefault(verdict, []).append(row)
                else:
                    left_out[verdict] += 1
            self.left_out.append({str(reason): number for reason, number in sorted(left_out.items())})
        self._first = np.cumsum([0, *map(len, tables)])
        self._table = pa.concat_tables(tables).combine_chunks()
        self.members = {bucket: np.array(members[bucket], np.int64) for bucket in sorted(members)}
        if not members:
            raise UserError(
                f"{dataset.path}: no motion of split {config.split!r} fits a bucket; set other data.buckets.min_frames "
                "or min_fps",
                EXIT_NO_SAMPLES,
            )

    def __len__(self) -> int:
        return sum(map(len, self.members.values()))

    @property
    def identity(self) -> str:
        """A hash of which motions train, where they lie and in which bucket each is."""
        digest = hashlib.sha256()
        for bucket, rows in self.members.items():
            digest.update(f"\n{bucket.name}".encode())
            for place in self._table.select(["key", "shard", "offset"]).take(rows).to_pylist():
                digest.update(f"\n{place['key']} {place['shard']} {place['offset']}".encode())
        return digest.hexdigest()

    def place(self, row: int) -> dict[str, Any]:
        """A row of the sets' indexes: key, shard, offset, end, num_frames, fps, width, height."""
        return self._table.slice(row, 1).to_pylist()[0]

    def read(self, row: int) -> Clip:
        """A row's whole motion, by range reads. UserError where its shard is missing or damaged."""
        place = self.place(row)
        source = self._sets[int(np.searchsorted(self._first, row, side="right")) - 1]
        if isinstance(source, MotionOnlyDataset):
            sample = source.at(place["shard"], place["offset"], place["key"])
            return Clip(
                motion=sample.motion,
                captions=sample.meta.captions or ("",),
                shape_source=sample.meta.body_model.shape_source,
            )
        return _read_paired(source, place)


def _table(source: Dataset | MotionOnlyDataset, split: str) -> pa.Table:
    """One set's rows of the split: where each motion lies, and its shape."""
    if isinstance(source, MotionOnlyDataset):
        table = source.index(["key", "split", "shard", "offset", "num_frames", "fps"])
        for name, value in (("width", WIDTH), ("height", HEIGHT)):
            table = table.append_column(name, pa.array([value] * len(table), pa.int64()))
        table = table.append_column("end", pa.nulls(len(table), pa.int64()))
    else:
        shape = ["num_frames", "fps", "width", "height"]
        index = source.table("index", ["key", "split", "shard", "mp4_offset", "mp4_bytes", "offset", "bytes", *shape])
        after_video = [
            start + size + -size % BLOCK
            for start, size in zip(index["mp4_offset"].to_pylist(), index["mp4_bytes"].to_pylist(), strict=True)
        ]
        known = {"offset", "bytes"} <= set(index.column_names)
        ends = pc.add(index["offset"], index["bytes"]) if known else pa.nulls(len(index), pa.int64())
        table = index.select(["key", "split", "shard", *shape])
        table = table.append_column("offset", pa.array(after_video, pa.int64())).append_column("end", ends)
    table = table.filter(pa.array([name == split for name in table["split"].to_pylist()], pa.bool_()))
    kinds = {"num_frames": pa.int64(), "fps": pa.float64(), "width": pa.int64(), "height": pa.int64()}
    columns = ["key", "shard", "offset", "end", *kinds]
    texts = {"key": pa.string(), "shard": pa.string(), "offset": pa.int64(), "end": pa.int64()}
    return table.select(columns).cast(pa.schema([(name, {**texts, **kinds}[name]) for name in columns]))


def _read_paired(dataset: Dataset, place: dict[str, Any]) -> Clip:
    """A paired sample without its video, in one range read: `offset` is where the tar goes on after it, `end` where
    the sample ends, None in sets of older builds."""
    name = f"{SHARDS_FOLDER}/{place['shard']}"
    try:
        if place["end"] is not None:
            members = _members(io.BytesIO(dataset.store.read_range(name, place["offset"], place["end"])), place["key"])
        else:
            with dataset.open(name) as raw:
                raw.seek(place["offset"])
                members = _members(raw, place["key"])
        return Clip(
            motion=decode_motion(members["motion.npz"]),
            captions=(members["txt"].decode(),),
            shape_source=json.loads(members["json"])["body_model"]["shape_source"],
        )
    except _DAMAGE as error:
        what = "is missing" if isinstance(error, FileNotFoundError) else f"is damaged at sample {place['key']}"
        said = f"{dataset.path}: {SHARDS_FOLDER}/{place['shard']} {what} ({type(error).__name__}: {error})"
        raise UserError(f"{' '.join(said.split())}; restore it from a copy", EXIT_DEFECT) from error


def _members(raw: Any, key: str) -> dict[str, bytes]:
    found = {}
    with tarfile.open(fileobj=raw, mode="r:") as box:
        for suffix in MEMBERS[1:]:
            entry = box.next()
            if entry is not None and entry.name == f"{key}.{WORLD_MEMBER}":
                entry = box.next()
            if entry is None or entry.name != f"{key}.{suffix}":
                raise ValueError(f"there is {entry.name if entry else 'nothing'} where {key}.{suffix} should be")
            content = box.extractfile(entry)
            found[suffix] = content.read() if content else b""
    return found
