"""Where a clip's pictures and motion come from; for kept clips, straight out of the tars."""

import io
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np

from humove.types import Pose2D, SmplMotion
from shards.format import INDEX_FILE, SHARDS_FOLDER
from shards.index import read_table
from shards.reader import Dataset

ByteRange = tuple[Path, int, int]
"""(file, offset, length): a part of a file."""
Mp4 = Path | ByteRange | bytes


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
        """The clip's video: a file, a part of one, or its bytes; None where it cannot be had here."""

    def still(self, clip_id: str) -> np.ndarray | None:
        """Frame N // 2 of its N as `mp4` shows it, (H, W, 3) uint8 RGB; None where `mp4` is."""

    def sample(self, clip_id: str) -> ClipData | None:
        """The clip's arrays; None where this source does not know the clip."""


class ShardMedia:
    """The kept clips of a data set. Local shards are read in place, by byte ranges."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        with dataset.open(INDEX_FILE) as raw:
            table = read_table(raw, columns=["key", "shard", "mp4_offset", "mp4_bytes"])
        listed = {row.name: row.bytes for row in dataset.doc.shards}
        columns = (table[name].to_pylist() for name in ("key", "shard", "mp4_offset", "mp4_bytes"))
        # A row that points outside its shard, or at a file that the set does not list, is none.
        self._places = {
            key: (shard, offset, size)
            for key, shard, offset, size in zip(*columns, strict=True)
            if offset >= 0 and size > 0 and offset + size <= listed.get(shard, 0)
        }
        folder = Path(dataset.path) / SHARDS_FOLDER
        self._folder = folder if folder.is_dir() else None

    def mp4(self, clip_id: str) -> Mp4 | None:
        place = self._places.get(clip_id)
        if place is None:
            return None
        shard, offset, size = place
        if self._folder is None:  # an object store
            return self._dataset.mp4(clip_id)
        return self._folder / shard, offset, size

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
    path, offset, size = mp4
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(size)


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
