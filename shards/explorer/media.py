"""Sources of clips' videos and motion; kept clips are read directly from the tars."""

import io
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np

from humove.storage import Store
from humove.types import Pose2D, SmplMotion
from shards.format import SHARDS_FOLDER
from shards.reader import Dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """Part of a file of a store: `size` bytes from `offset` on."""

    store: Store
    name: str
    offset: int
    size: int

    def read(self, start: int, end: int) -> bytes:
        """Read the bytes [start, end) of the part in one ranged read."""
        return self.store.read_range(self.name, self.offset + start, self.offset + end)


Mp4 = Path | FilePart | bytes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClipData:
    """The measurements of a clip; None for what was not measured."""

    motion: SmplMotion | None
    pose2d: Pose2D | None
    """Keypoints in px of the stored clip."""
    meta: dict[str, Any]
    """The sample's .json, or the known part of it; with motion or keypoints at least fps ("num/den"), width and
    height."""


class Media(Protocol):
    """A source of clips."""

    def get_mp4(self, clip_id: str) -> Mp4 | None:
        """Return the clip's video: a local file, part of a store's file, or bytes; None if it is not available here."""

    def read_frame(self, clip_id: str) -> np.ndarray | None:
        """Read frame N // 2 of the N frames of `get_mp4`, (H, W, 3) uint8 RGB; None if there is no video."""

    def read_clip(self, clip_id: str) -> ClipData | None:
        """Read the clip's arrays; None if this source does not know the clip."""


class ShardMedia:
    """The kept clips of a data set, read in place by byte ranges, also on an object store."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        table = dataset.read_table("index", ["key", "shard", "mp4_offset", "mp4_bytes"])
        sizes = {row.name: row.bytes for row in dataset.doc.shards}
        columns = (table[name].to_pylist() for name in ("key", "shard", "mp4_offset", "mp4_bytes"))
        # Ignore rows that point outside their shard, or at a file that the data set does not list.
        self._places = {
            key: (shard, offset, size)
            for key, shard, offset, size in zip(*columns, strict=True)
            if offset >= 0 and size > 0 and offset + size <= sizes.get(shard, 0)
        }

    def get_mp4(self, clip_id: str) -> Mp4 | None:
        place = self._places.get(clip_id)
        if place is None:
            return None
        shard, offset, size = place
        return FilePart(store=self._dataset.store, name=f"{SHARDS_FOLDER}/{shard}", offset=offset, size=size)

    def read_frame(self, clip_id: str) -> np.ndarray | None:
        mp4 = self.get_mp4(clip_id)
        return None if mp4 is None else _decode_middle_frame(_read_video(mp4))

    def read_clip(self, clip_id: str) -> ClipData | None:
        if clip_id not in self._places:
            return None
        sample = self._dataset.get(clip_id)
        return ClipData(motion=sample.motion, pose2d=sample.pose2d, meta=sample.meta)


def _read_video(mp4: Mp4) -> bytes:
    if isinstance(mp4, bytes):
        return mp4
    if isinstance(mp4, Path):
        return mp4.read_bytes()
    return mp4.read(0, mp4.size)


def _decode_middle_frame(mp4: bytes) -> np.ndarray | None:
    with av.open(io.BytesIO(mp4), format="mp4") as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        rate = Fraction(stream.average_rate or 25)
        target = (stream.frames or 1) // 2
        if stream.time_base and stream.frames:
            container.seek(int(target / rate / stream.time_base) + (stream.start_time or 0), stream=stream)
        found = None
        for found in container.decode(stream):
            time = (found.pts or 0) - (stream.start_time or 0)
            if round(time * stream.time_base * rate) >= target:
                break
        return None if found is None else found.to_ndarray(format="rgb24")
