"""Where a clip's pictures and motion come from; for kept clips, straight out of the tars."""

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
    """A part of a file of a store: `size` bytes from `offset` on."""

    store: Store
    name: str
    offset: int
    size: int

    def read(self, start: int, end: int) -> bytes:
        """The bytes [start, end) of the part, in one ranged read."""
        return self.store.read_range(self.name, self.offset + start, self.offset + end)


Mp4 = Path | FilePart | bytes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClipData:
    """What is known of a clip; None for what was not measured."""

    motion: SmplMotion | None
    pose2d: Pose2D | None
    """Keypoints in px of the stored clip."""
    meta: dict[str, Any]
    """The sample's .json, or as much of it as is known; with motion or keypoints at least fps ("num/den"), width and
    height."""


class Media(Protocol):
    """A source of clips."""

    def mp4(self, clip_id: str) -> Mp4 | None:
        """The clip's video: a local file, a part of a store's file, or its bytes; None where it cannot be had here."""

    def still(self, clip_id: str) -> np.ndarray | None:
        """Frame N // 2 of its N as `mp4` shows it, (H, W, 3) uint8 RGB; None where `mp4` is."""

    def sample(self, clip_id: str) -> ClipData | None:
        """The clip's arrays; None where this source does not know the clip."""


class ShardMedia:
    """The kept clips of a data set, read in place by byte ranges, on an object store too."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        table = dataset.table("index", ["key", "shard", "mp4_offset", "mp4_bytes"])
        listed = {row.name: row.bytes for row in dataset.doc.shards}
        columns = (table[name].to_pylist() for name in ("key", "shard", "mp4_offset", "mp4_bytes"))
        # A row that points outside its shard, or at a file that the set does not list, is none.
        self._places = {
            key: (shard, offset, size)
            for key, shard, offset, size in zip(*columns, strict=True)
            if offset >= 0 and size > 0 and offset + size <= listed.get(shard, 0)
        }

    def mp4(self, clip_id: str) -> Mp4 | None:
        place = self._places.get(clip_id)
        if place is None:
            return None
        shard, offset, size = place
        return FilePart(store=self._dataset.store, name=f"{SHARDS_FOLDER}/{shard}", offset=offset, size=size)

    def still(self, clip_id: str) -> np.ndarray | None:
        mp4 = self.mp4(clip_id)
        return None if mp4 is None else _middle_frame(_read(mp4))

    def sample(self, clip_id: str) -> ClipData | None:
        if clip_id not in self._places:
            return None
        sample = self._dataset.get(clip_id)
        return ClipData(motion=sample.motion, pose2d=sample.pose2d, meta=sample.meta)


def _read(mp4: Mp4) -> bytes:
    if isinstance(mp4, bytes):
        return mp4
    if isinstance(mp4, Path):
        return mp4.read_bytes()
    return mp4.read(0, mp4.size)


def _middle_frame(mp4: bytes) -> np.ndarray | None:
    with av.open(io.BytesIO(mp4), format="mp4") as box:
        stream = box.streams.video[0]
        stream.codec_context.thread_count = 1
        rate = Fraction(stream.average_rate or 25)
        wanted = (stream.frames or 1) // 2
        if stream.time_base and stream.frames:
            box.seek(int(wanted / rate / stream.time_base) + (stream.start_time or 0), stream=stream)
        found = None
        for found in box.decode(stream):
            time = (found.pts or 0) - (stream.start_time or 0)
            if round(time * stream.time_base * rate) >= wanted:
                break
        return None if found is None else found.to_ndarray(format="rgb24")
