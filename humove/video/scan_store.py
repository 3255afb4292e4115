"""Scans as stored chunks, so that neither the split of a long video nor a clip holds the whole scan in memory.

A chunk is the npz of a `ScanPart`: at most CHUNK_FRAMES frames, about 0.5 KB each. Numbers (41 bytes per frame)
are held for the whole video while it is split; images, thirty times as large, are read chunk by chunk.
"""

import io
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np

from humove.stage import Reject
from humove.video.measure import compute_difference, compute_mismatch
from humove.video.probe import Probe
from humove.video.scan import (
    DTYPES,
    IMAGES,
    Scan,
    ScanPart,
    count_pts,
    cut_span,
    from_differences,
    has_timestamps,
    judge_scan,
    read_damage,
)
from humove.video.span import ScanSpan

Read = Callable[[str], bytes]
"""A function that returns the bytes of a chunk by its name."""
_HELD_CHUNKS = 3
"""Chunks of images in memory at a time; frames around a chunk's edge need two."""
_NUMBERS = tuple(name for name in DTYPES if name not in IMAGES)


def write_parts(parts: Iterable[ScanPart], write: Callable[[str, bytes], None], prefix: str = "") -> list[str]:
    """Write each part when it is measured; returns the chunks' names in order, `{prefix}00000.npz` and so on.

    `prefix` distinguishes a video's units.
    """
    names = []
    for number, part in enumerate(parts):
        name = f"{prefix}{number:05d}.npz"
        write(name, part.to_bytes())
        names.append(name)
    return names


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanIndex:
    """The chunks of a video's scan: what a clip's worker needs to read its own span. Serializable to JSON."""

    names: tuple[str, ...]
    """The chunks that hold frames, in order."""
    starts: tuple[int, ...]
    """The number of each chunk's first frame."""
    keys: tuple[int, ...]
    """The last keyframe before each chunk; -1 if there is none."""
    num_frames: int
    timed: bool

    def to_json(self) -> dict:
        return asdict(self)

    @classmethod
    def from_json(cls, row: dict) -> "ScanIndex":
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in row.items()})

    def find_chunk(self, frame: int) -> int:
        return bisect_right(self.starts, frame) - 1


def read_span(index: ScanIndex, read: Read, probe: Probe, start: int, end: int) -> ScanSpan:
    """Read what decoding the frames start to end (exclusive) needs, from the chunks that hold them.

    Reads one or two chunks for a clip; more only if its keyframe is further back.
    """
    if not 0 <= start < end <= index.num_frames:
        raise ValueError(f"span [{start}, {end}) outside the video's {index.num_frames} frames")
    if not index.timed:
        return ScanSpan(
            first_frame=start,
            pts=count_pts(probe, start, end),
            is_key=np.zeros(end - start, bool),
            timed=False,
            num_frames=index.num_frames,
        )
    chunk = index.find_chunk(start)
    pieces = {piece: _read_numbers(read, index, piece) for piece in range(chunk, index.find_chunk(end - 1) + 1)}
    inside = np.flatnonzero(pieces[chunk]["is_key"][: start - index.starts[chunk] + 1])
    first = index.starts[chunk] + int(inside[-1]) if len(inside) else max(0, index.keys[chunk])
    for earlier in range(index.find_chunk(first), chunk):
        pieces[earlier] = _read_numbers(read, index, earlier)
    begin = index.starts[index.find_chunk(first)]
    ordered = [pieces[piece] for piece in sorted(pieces)]
    pts, is_key = (np.concatenate([piece[name] for piece in ordered]) for name in ("pts", "is_key"))
    return ScanSpan(
        first_frame=first,
        pts=pts[first - begin : end - begin].copy(),
        is_key=is_key[first - begin : end - begin].copy(),
        timed=True,
        num_frames=index.num_frames,
    )


def _read_numbers(read: Read, index: ScanIndex, chunk: int) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(read(index.names[chunk])), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in ("pts", "is_key")}


class ImageSeries:
    """(N, ...) uint8 images of a stored scan: indexed, sliced and iterated like an array, a few chunks in memory.

    Returned arrays are read-only.
    """

    def __init__(self, name: str, index: ScanIndex, read: Read) -> None:
        self._name, self._index, self._read = name, index, read
        self._get_chunk = lru_cache(maxsize=_HELD_CHUNKS)(self._load_chunk)

    def _load_chunk(self, chunk: int) -> np.ndarray:
        with np.load(io.BytesIO(self._read(self._index.names[chunk])), allow_pickle=False) as arrays:
            images = from_differences(arrays[self._name])
        images.flags.writeable = False
        return images

    def __len__(self) -> int:
        return self._index.num_frames

    def __iter__(self) -> Iterator[np.ndarray]:
        for chunk in range(len(self._index.names)):
            yield from self._get_chunk(chunk)

    def __getitem__(self, key: int | slice) -> np.ndarray:
        if not isinstance(key, slice):
            frame = range(len(self))[key]
            chunk = self._index.find_chunk(frame)
            return self._get_chunk(chunk)[frame - self._index.starts[chunk]]
        start, stop, step = key.indices(len(self))
        if step != 1:
            raise ValueError(f"a stored series supports slices of step 1, not {step}")
        if start >= stop:
            return self._get_chunk(0)[:0]
        first, last = self._index.find_chunk(start), self._index.find_chunk(stop - 1)
        pieces = []
        for chunk in range(first, last + 1):
            offset = self._index.starts[chunk]
            pieces.append(self._get_chunk(chunk)[max(0, start - offset) : stop - offset])
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


class StoredScan:
    """A whole video's scan in stored chunks, with the attributes of `Scan`.

    The numbers are arrays in memory, 41 bytes per frame; `thumb` and `chroma` are `ImageSeries`.
    """

    def __init__(self, index: ScanIndex, read: Read, numbers: dict[str, np.ndarray]) -> None:
        self.index = index
        self.timed = index.timed
        self.num_frames = index.num_frames
        self.pts, self.is_key = numbers["pts"], numbers["is_key"]
        self.luma, self.shadows, self.highlights = numbers["luma"], numbers["shadows"], numbers["highlights"]
        self.sharpness, self.dhash = numbers["sharpness"], numbers["dhash"]
        self.difference, self.mismatch = numbers["difference"], numbers["mismatch"]
        self.thumb = ImageSeries("thumb", index, read)
        self.chroma = ImageSeries("chroma", index, read)

    def cut(self, start: int, end: int) -> ScanSpan:
        """As `Scan.cut`."""
        if not 0 <= start < end <= self.num_frames:
            raise ValueError(f"span [{start}, {end}) outside the video's {self.num_frames} frames")
        return cut_span(self.pts, self.is_key, self.timed, start, end)

    def take_window(self, start: int, end: int) -> Scan:
        """As `Scan.take_window`: the series of these frames, in memory."""
        return Scan(**{name: getattr(self, name)[start:end] for name in DTYPES}, timed=self.timed)


def join_stored(names: Sequence[str], read: Read, probe: Probe, missing: int) -> StoredScan | Reject:
    """Join a video's chunks, in frame order; bit-identical to `join_parts`.

    Reads one chunk at a time. `missing` is `count_missing_bytes` of the file; `judge_scan` decides on rejection.
    """
    kept: list[str] = []
    starts: list[int] = []
    rows: dict[str, list[np.ndarray]] = {name: [] for name in _NUMBERS}
    damages: list[Reject] = []
    count, last = 0, None
    for name in names:
        with np.load(io.BytesIO(read(name)), allow_pickle=False) as arrays:
            numbers = {series: arrays[series] for series in _NUMBERS}
            first, end, damage = arrays["first"], arrays["last"], read_damage(arrays["damage"])
        if damage is not None:
            damages.append(damage)
        if not len(numbers["pts"]):
            continue
        if last is not None:
            numbers["difference"][0] = compute_difference(last, first)
            numbers["mismatch"][0] = compute_mismatch(last, first)
        kept.append(name)
        starts.append(count)
        for series, values in numbers.items():
            rows[series].append(values)
        count, last = count + len(numbers["pts"]), end
    reject = judge_scan(probe, count, missing, damages)
    if reject is not None:
        return reject
    whole = {}
    for series in _NUMBERS:
        whole[series] = np.concatenate(rows.pop(series))
    timed = has_timestamps(whole["pts"])
    if not timed:
        whole["pts"] = count_pts(probe, 0, count)
    keys = np.flatnonzero(whole["is_key"])
    before = [int(keys[at - 1]) if at else -1 for at in np.searchsorted(keys, starts).tolist()]
    index = ScanIndex(names=tuple(kept), starts=tuple(starts), keys=tuple(before), num_frames=count, timed=timed)
    return StoredScan(index, read, whole)
