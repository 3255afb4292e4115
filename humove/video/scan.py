"""One small decode of every frame of a video: series that the later stages decide on without a further decode."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path

import av
import numpy as np

from humove.reasons import Reason
from humove.stage import Reject
from humove.video.container import missing_bytes
from humove.video.decode import decode_from, open_stream
from humove.video.measure import CHROMA, SMALL, THUMB, difference, measure, mismatch
from humove.video.probe import Probe

_SPLITTABLE = ("mov", "matroska")
"""Containers whose keyframe marks mean that decoding from there is exact."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scan:
    """Series over the N frames of a video, in order of display. Luma is 0..255 over the full range."""

    pts: np.ndarray
    """(N,) int64, strictly ascending, in units of the probe's time_base."""
    is_key: np.ndarray
    """(N,) bool: decoding can start here."""
    timed: bool
    """Whether pts are the file's own; False where it has none that ascend and frames are counted instead."""
    luma: np.ndarray
    """(N,) float32 mean brightness, 0..1."""
    shadows: np.ndarray
    """(N,) float32 share of black pixels."""
    highlights: np.ndarray
    """(N,) float32 share of white pixels."""
    sharpness: np.ndarray
    """(N,) float32, 0 (blurred over) to 1."""
    difference: np.ndarray
    """(N,) float32 mean absolute difference to the frame before in grey levels of 255; 0 for the first."""
    mismatch: np.ndarray
    """(N,) float32: the part of `difference` that no motion explains."""
    dhash: np.ndarray
    """(N,) uint64 difference hash."""
    thumb: np.ndarray
    """(N, 32, 32) uint8 luma, upright, stretched to a square."""
    chroma: np.ndarray
    """(N, 2, 8, 8) uint8 U and V."""

    @property
    def num_frames(self) -> int:
        return len(self.pts)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """For np.savez_compressed; thumbs as differences to the frame before, which pack to a third."""
        arrays = {f.name: np.asarray(getattr(self, f.name)) for f in fields(self)}
        for name in ("thumb", "chroma"):
            arrays[name] = np.diff(arrays[name], axis=0, prepend=np.zeros_like(arrays[name][:1]))
        return arrays

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Scan":
        values = {f.name: np.asarray(arrays[f.name]) for f in fields(cls)}
        for name in ("thumb", "chroma"):
            values[name] = np.cumsum(values[name], axis=0, dtype=np.uint8)
        return cls(**values | {"timed": bool(values["timed"])})

    def to_bytes(self) -> bytes:
        """As a compressed npz: about 0.5 KB a frame."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **self.to_arrays())
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Scan":
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return cls.from_arrays(dict(arrays))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A piece of a video that one worker scans: frames with start_pts <= pts < end_pts; None is the file's own end."""

    start_pts: int | None = None
    end_pts: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScanPart:
    """What came of one Unit."""

    series: dict[str, np.ndarray]
    first: np.ndarray
    """(SMALL, SMALL) uint8: the first frame's picture, to compare it with the part before."""
    last: np.ndarray
    damage: Reject | None


@dataclass(slots=True)
class _Growing:
    """Series of unknown length, kept in rows of small numpy pieces."""

    rows: dict[str, list] = field(default_factory=dict)

    def add(self, **values: object) -> None:
        for name, value in values.items():
            self.rows.setdefault(name, []).append(value)


_DTYPES = {
    "pts": np.int64, "is_key": bool, "luma": np.float32, "shadows": np.float32, "highlights": np.float32,
    "sharpness": np.float32, "difference": np.float32, "mismatch": np.float32, "dhash": np.uint64,
    "thumb": np.uint8, "chroma": np.uint8,
}  # fmt: skip
_SHAPES = {"thumb": (THUMB, THUMB), "chroma": (2, CHROMA, CHROMA)}
_NO_PTS = np.iinfo(np.int64).min


def plan_units(path: Path, probe: Probe, unit_s: float = 120.0) -> list[Unit]:
    """Cuts a long video at keyframes into units of about `unit_s` seconds; reads packets, decodes nothing.

    Their parts join to exactly what one unit gives. One unit where the video is short, or its keyframes can't be
    trusted to decode alone.
    """
    whole = [Unit()]
    if not probe.container.startswith(_SPLITTABLE) or 0 < probe.duration_s < 1.5 * unit_s:
        return whole
    container, stream = open_stream(path)
    keys: list[int] = []
    try:
        with container:
            for packet in container.demux(stream):
                if packet.is_keyframe and packet.size and not packet.is_discard:
                    if packet.pts is None:
                        return whole
                    keys.append(packet.pts)
    except av.FFmpegError:
        return whole  # the scan will meet the same damage, and name it
    step = unit_s / probe.time_base
    bounds: list[int] = []
    for pts in sorted(keys)[1:]:
        if pts - (bounds[-1] if bounds else min(keys)) >= step:
            bounds.append(pts)
    edges = [None, *bounds, None]
    return [Unit(start_pts=a, end_pts=b) for a, b in zip(edges, edges[1:], strict=False)]


def scan_unit(path: Path, probe: Probe, unit: Unit) -> ScanPart:
    """Decodes one unit's frames, holding two of them at a time, and measures each."""
    grown = _Growing()
    before = first = None
    damage = None
    frames = decode_from(path, probe, unit.start_pts)
    while True:
        try:
            frame = next(frames, None)
        except av.FFmpegError as error:
            damage = f"decoding fails after {_count(grown)} frames: {error.strerror}"
            break
        if frame is None or (unit.end_pts is not None and frame.pts is not None and frame.pts >= unit.end_pts):
            break
        if frame.is_corrupt:
            damage = f"frame {_count(grown)} is damaged"
            break
        now = measure(frame, probe.rotation, probe.full_range)
        grown.add(
            pts=_NO_PTS if frame.pts is None else frame.pts,
            is_key=frame.key_frame,
            luma=now.luma,
            shadows=now.shadows,
            highlights=now.highlights,
            sharpness=now.sharpness,
            difference=0.0 if before is None else difference(before, now.small),
            mismatch=0.0 if before is None else mismatch(before, now.small),
            dhash=now.dhash,
            thumb=now.thumb,
            chroma=now.chroma,
        )
        before = now.small
        first = now.small if first is None else first
    series = {
        name: np.array(grown.rows.get(name, []), dtype=dtype).reshape(-1, *_SHAPES.get(name, ()))
        for name, dtype in _DTYPES.items()
    }
    empty = np.zeros((SMALL, SMALL), np.uint8)
    return ScanPart(
        series=series,
        first=empty if first is None else first,
        last=empty if before is None else before,
        damage=None if damage is None else Reject(reason=Reason.DAMAGED, detail=damage),
    )


def _count(grown: _Growing) -> int:
    return len(grown.rows.get("pts", []))


def join(path: Path, probe: Probe, parts: list[ScanPart]) -> Scan | Reject:
    """One video's parts, in order, as a whole.

    Rejects as `truncated` a file that ends before what its header speaks of, as `damaged` one whose frames don't all
    decode; the detail says how many frames could be read.
    """
    count = sum(len(part.series["pts"]) for part in parts)
    told = f" of {probe.promised_frames}" if probe.promised_frames else ""
    missing = missing_bytes(path)
    if missing:
        return Reject(
            reason=Reason.TRUNCATED,
            detail=f"the file ends {missing} bytes early: {count}{told} frames can be read",
        )
    for part in parts:
        if part.damage is not None:
            return Reject(reason=Reason.DAMAGED, detail=f"{part.damage.detail} ({count}{told} frames can be read)")
    if count == 0:
        return Reject(reason=Reason.DAMAGED, detail=f"no frame of the {probe.codec} stream can be decoded")
    for before, after in zip(parts, parts[1:], strict=False):
        if len(after.series["pts"]):
            after.series["difference"][0] = difference(before.last, after.first)
            after.series["mismatch"][0] = mismatch(before.last, after.first)
    series = {name: np.concatenate([part.series[name] for part in parts]) for name in _DTYPES}
    timed = bool((np.diff(series["pts"]) > 0).all()) and series["pts"][0] != _NO_PTS
    if not timed:
        series["pts"] = np.round(np.arange(count) / float(probe.fps * probe.time_base)).astype(np.int64)
    return Scan(**series, timed=timed)


def scan(path: Path, probe: Probe, unit_s: float = 120.0) -> Scan | Reject:
    """Decodes and measures every frame of a video, in one worker."""
    return join(path, probe, list(_parts(path, probe, plan_units(path, probe, unit_s))))


def _parts(path: Path, probe: Probe, units: list[Unit]) -> Iterator[ScanPart]:
    for unit in units:
        part = scan_unit(path, probe, unit)
        yield part
        if part.damage is not None:
            return
