"""Motion without video, for the first phase: of the paired data set and of motion-only sets.

The video of a paired clip is skipped, not read. Clips of both kinds are assigned to the buckets of the second phase,
since the positions of motion tokens depend on the video's token grid.
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
from shards.buckets import Bucket, LeftOut, choose_bucket
from shards.format import MEMBERS, SHARDS_FOLDER, WORLD_MEMBER
from shards.motion_only.dataset import MotionOnlyDataset
from shards.npz import decode_motion_npz
from shards.reader import Dataset
from shards.tars import BLOCK

_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError, ValueError, KeyError)
_ANY_SIZE = 1e6
"""A motion-only clip has no frames that could be too small."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClipMotion:
    """A clip's whole motion, and its captions."""

    motion: SmplMotion
    captions: tuple[str, ...]
    """At least one; "" if the clip has none."""
    shape_source: str


class MotionIndex:
    """All motions that train, in the order of the sets. UserError if there are none."""

    def __init__(self, dataset: Dataset, motion_only: Sequence[MotionOnlyDataset], config: LoaderConfig) -> None:
        if config.split not in dataset.doc.splits:
            raise UserError(f"{dataset.path} has no split {config.split!r}; it has {', '.join(dataset.doc.splits)}")
        self._sets = (dataset, *motion_only)
        self.left_out: list[dict[str, int]] = []
        """For each set, clips that fit no bucket, by reason."""
        tables: list[pa.Table] = []
        members: dict[Bucket, list[int]] = {}
        for each in self._sets:
            buckets = config.buckets
            if isinstance(each, MotionOnlyDataset):
                buckets = buckets.model_copy(update={"max_upscale": _ANY_SIZE})
            first, left_out = sum(map(len, tables)), Counter[LeftOut]()
            tables.append(_build_table(each, config.split))
            shapes = (tables[-1][name].to_pylist() for name in ("num_frames", "fps", "width", "height"))
            for row, shape in enumerate(zip(*shapes, strict=True), start=first):
                verdict = choose_bucket(*shape, buckets)
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
                f"{dataset.path}: no motion of split {config.split!r} fits a bucket; lower data.buckets.min_frames "
                "or min_fps",
                EXIT_NO_SAMPLES,
            )

    def __len__(self) -> int:
        return sum(map(len, self.members.values()))

    @property
    def identity(self) -> str:
        """A hash of the motions that train, their positions in shards and their buckets."""
        digest = hashlib.sha256()
        for bucket, rows in self.members.items():
            digest.update(f"\n{bucket.name}".encode())
            for row in self._table.select(["key", "shard", "offset"]).take(rows).to_pylist():
                digest.update(f"\n{row['key']} {row['shard']} {row['offset']}".encode())
        return digest.hexdigest()

    def get_row(self, row: int) -> dict[str, Any]:
        """Get a row of the index: key, shard, offset, end, num_frames, fps, width, height."""
        return self._table.slice(row, 1).to_pylist()[0]

    def read(self, row: int) -> ClipMotion:
        """Read a row's whole motion by range reads. UserError if its shard is missing or damaged."""
        entry = self.get_row(row)
        source = self._sets[int(np.searchsorted(self._first, row, side="right")) - 1]
        if isinstance(source, MotionOnlyDataset):
            sample = source.read_sample_at(entry["shard"], entry["offset"], entry["key"])
            return ClipMotion(
                motion=sample.motion,
                captions=sample.meta.captions or ("",),
                shape_source=sample.meta.body_model.shape_source,
            )
        return _read_paired_motion(source, entry)


def _build_table(source: Dataset | MotionOnlyDataset, split: str) -> pa.Table:
    """Build the table of one set's split: the position of each motion in its shard, and its shape."""
    if isinstance(source, MotionOnlyDataset):
        table = source.read_index(["key", "split", "shard", "offset", "num_frames", "fps"])
        for name, value in (("width", WIDTH), ("height", HEIGHT)):
            table = table.append_column(name, pa.array([value] * len(table), pa.int64()))
        table = table.append_column("end", pa.nulls(len(table), pa.int64()))
    else:
        shape = ["num_frames", "fps", "width", "height"]
        index = source.read_table(
            "index", ["key", "split", "shard", "mp4_offset", "mp4_bytes", "offset", "bytes", *shape]
        )
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


def _read_paired_motion(dataset: Dataset, row: dict[str, Any]) -> ClipMotion:
    """Read a paired sample's motion in one range read.

    `offset` is the position after the video, `end` that after the sample; None in sets of older builds.
    """
    name = f"{SHARDS_FOLDER}/{row['shard']}"
    try:
        if row["end"] is not None:
            members = _read_members(io.BytesIO(dataset.store.read_range(name, row["offset"], row["end"])), row["key"])
        else:
            with dataset.open(name) as raw:
                raw.seek(row["offset"])
                members = _read_members(raw, row["key"])
        return ClipMotion(
            motion=decode_motion_npz(members["motion.npz"]),
            captions=(members["txt"].decode(),),
            shape_source=json.loads(members["json"])["body_model"]["shape_source"],
        )
    except _DAMAGE as error:
        what = "is missing" if isinstance(error, FileNotFoundError) else f"is damaged at sample {row['key']}"
        message = f"{dataset.path}: {SHARDS_FOLDER}/{row['shard']} {what} ({type(error).__name__}: {error})"
        raise UserError(f"{' '.join(message.split())}; restore it from a copy", EXIT_DEFECT) from error


def _read_members(raw: Any, key: str) -> dict[str, bytes]:
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
