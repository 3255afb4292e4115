"""The scan: one decode of every frame of a video into series that later stages use instead of decoding again."""

import io
import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import av
import numpy as np

from humove.reasons import Reason
from humove.stage import Reject
from humove.video.container import count_missing_bytes
from humove.video.decode import SPLITTABLE, decode_from, open_stream
from humove.video.measure import CHROMA, SMALL, THUMB, compute_difference, compute_mismatch, measure_frame
from humove.video.probe import Probe
from humove.video.span import ScanSpan

CHUNK_FRAMES = 4096
"""Most frames in a part of a scan: about 5 MB in memory."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scan:
    """Series over the N frames of a video, in display order. Luma is 0..255 over the full range."""

    pts: np.ndarray
    """(N,) int64, strictly ascending, in units of the probe's time_base."""
    is_key: np.ndarray
    """(N,) bool: decoding can start here."""
    timed: bool
    """Whether pts are the file's own; False if it has no ascending ones and frames are counted instead."""
    luma: np.ndarray
    """(N,) float32 mean brightness, 0..1."""
    shadows: np.ndarray
    """(N,) float32 share of black pixels."""
    highlights: np.ndarray
    """(N,) float32 share of white pixels."""
    sharpness: np.ndarray
    """(N,) float32, 0 (blurred) to 1."""
    difference: np.ndarray
    """(N,) float32 mean absolute difference to the frame before in grey levels of 255; 0 for the first."""
    mismatch: np.ndarray
    """(N,) float32: the part of `difference` that motion does not explain."""
    dhash: np.ndarray
    """(N,) uint64 difference hash."""
    thumb: np.ndarray
    """(N, 32, 32) uint8 luma, upright, stretched to a square."""
    chroma: np.ndarray
    """(N, 2, 8, 8) uint8 U and V."""

    @property
    def num_frames(self) -> int:
        return len(self.pts)

    def cut(self, start: int, end: int) -> ScanSpan:
        """Cut out what decoding the frames start to end (exclusive) needs of the scan."""
        if not 0 <= start < end <= self.num_frames:
            raise ValueError(f"span [{start}, {end}) outside the video's {self.num_frames} frames")
        return cut_span(self.pts, self.is_key, self.timed, start, end)

    def take_window(self, start: int, end: int) -> "Scan":
        """Return the series of the frames start to end (exclusive), renumbered from 0, as views."""
        series = {name: getattr(self, name)[start:end] for name in DTYPES}
        return Scan(**series, timed=self.timed)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return arrays for np.savez_compressed; images as differences to the frame before, a third of the size."""
        return to_differences({f.name: np.asarray(getattr(self, f.name)) for f in fields(self)})

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Scan":
        values = {f.name: np.asarray(arrays[f.name]) for f in fields(cls)}
        for name in IMAGES:
            values[name] = from_differences(values[name])
        return cls(**values | {"timed": bool(values["timed"])})

    def to_bytes(self) -> bytes:
        """Serialize to a compressed npz: about 0.5 KB per frame."""
        return _pack_npz(self.to_arrays())

    @classmethod
    def from_bytes(cls, data: bytes) -> "Scan":
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return cls.from_arrays(dict(arrays))


def cut_span(pts: np.ndarray, is_key: np.ndarray, timed: bool, start: int, end: int) -> ScanSpan:
    """Cut the span that decoding the frames start to end (exclusive) needs from a whole video's series."""
    first = start
    if timed:
        backwards = is_key[start::-1]
        steps = int(backwards.argmax())  # also 0 without a keyframe
        first = start - steps if backwards[steps] else 0
    return ScanSpan(
        first_frame=first, pts=pts[first:end].copy(), is_key=is_key[first:end].copy(), timed=timed, num_frames=len(pts)
    )


def to_differences(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Replace images by their differences to the frame before."""
    return arrays | {name: np.diff(arrays[name], axis=0, prepend=np.zeros_like(arrays[name][:1])) for name in IMAGES}


def from_differences(images: np.ndarray) -> np.ndarray:
    return np.cumsum(images, axis=0, dtype=np.uint8)


def _pack_npz(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanUnit:
    """A piece of a video for one worker: frames with start_pts <= pts < end_pts; None is the file's own end."""

    start_pts: int | None = None
    end_pts: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScanPart:
    """The series of consecutive frames of one ScanUnit, or of some of its frames."""

    series: dict[str, np.ndarray]
    first: np.ndarray
    """(SMALL, SMALL) uint8: the first frame, to compare it with the part before."""
    last: np.ndarray
    damage: Reject | None

    @property
    def num_frames(self) -> int:
        return len(self.series["pts"])

    def to_bytes(self) -> bytes:
        """Serialize to a compressed npz, from which single series can be read."""
        damage = "" if self.damage is None else json.dumps([self.damage.reason, self.damage.detail])
        return _pack_npz(
            to_differences(self.series) | {"first": self.first, "last": self.last, "damage": np.array(damage)}
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "ScanPart":
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            series = {name: from_differences(arrays[name]) if name in IMAGES else arrays[name] for name in DTYPES}
            return cls(series=series, first=arrays["first"], last=arrays["last"], damage=read_damage(arrays["damage"]))


def read_damage(text: np.ndarray) -> Reject | None:
    """Parse the damage stored in a part."""
    if not str(text):
        return None
    reason, detail = json.loads(str(text))
    return Reject(reason=Reason(reason), detail=detail)


@dataclass(slots=True)
class _SeriesBuilder:
    """A builder of series of up to CHUNK_FRAMES frames."""

    rows: dict[str, list] = field(default_factory=dict)

    def add(self, **values: object) -> None:
        for name, value in values.items():
            self.rows.setdefault(name, []).append(value)

    def __len__(self) -> int:
        return len(self.rows.get("pts", ()))

    def build(self) -> dict[str, np.ndarray]:
        return {
            name: np.array(self.rows.get(name, []), dtype=dtype).reshape(-1, *_SHAPES.get(name, ()))
            for name, dtype in DTYPES.items()
        }


DTYPES = {
    "pts": np.int64, "is_key": bool, "luma": np.float32, "shadows": np.float32, "highlights": np.float32,
    "sharpness": np.float32, "difference": np.float32, "mismatch": np.float32, "dhash": np.uint64,
    "thumb": np.uint8, "chroma": np.uint8,
}  # fmt: skip
"""The series of a scan."""
IMAGES = ("thumb", "chroma")
"""The series that are stored as differences to the frame before."""
_SHAPES = {"thumb": (THUMB, THUMB), "chroma": (2, CHROMA, CHROMA)}
_NO_PTS = np.iinfo(np.int64).min


def plan_units(path: Path, probe: Probe, unit_s: float = 120.0) -> list[ScanUnit]:
    """Cut a long video at keyframes into units of about `unit_s` seconds; reads packets, decodes nothing.

    The joined parts equal those of one unit. Returns one unit if the video is short, or if its container does not
    guarantee that keyframes decode alone.
    """
    unsplit = [ScanUnit()]
    if not probe.container.startswith(SPLITTABLE) or 0 < probe.duration_s < 1.5 * unit_s:
        return unsplit
    container, stream = open_stream(path)
    keys = array("q")
    try:
        with container:
            for packet in container.demux(stream):
                if packet.is_keyframe and packet.size and not packet.is_discard:
                    if packet.pts is None:
                        return unsplit
                    keys.append(packet.pts)
    except av.FFmpegError:
        return unsplit  # the scan finds and reports the same damage
    step = unit_s / probe.time_base
    bounds: list[int] = []
    ascending = np.sort(np.frombuffer(keys, np.int64)) if keys else np.empty(0, np.int64)
    for pts in map(int, ascending[1:]):
        if pts - (bounds[-1] if bounds else int(ascending[0])) >= step:
            bounds.append(pts)
    edges = [None, *bounds, None]
    return [ScanUnit(start_pts=a, end_pts=b) for a, b in zip(edges, edges[1:], strict=False)]


def scan_parts(path: Path, probe: Probe, unit: ScanUnit | None = None) -> Iterator[ScanPart]:
    """Decode and measure one unit's frames (default: the whole file's); yields parts of at most CHUNK_FRAMES frames.

    Holds two frames and one part at a time. Damage ends the unit and is stored in its last part.
    """
    unit = unit or ScanUnit()
    builder, done = _SeriesBuilder(), 0
    before = first = None
    damage = None
    frames = decode_from(path, probe, unit.start_pts)
    while True:
        try:
            frame = next(frames, None)
        except av.FFmpegError as error:
            damage = f"decoding fails after {done + len(builder)} frames: {error.strerror}"
            break
        if frame is None or (unit.end_pts is not None and frame.pts is not None and frame.pts >= unit.end_pts):
            break
        if frame.is_corrupt:
            damage = f"frame {done + len(builder)} is damaged"
            break
        if len(builder) == CHUNK_FRAMES:
            yield _make_part(builder, first, before, None)
            builder, first, done = _SeriesBuilder(), None, done + CHUNK_FRAMES
        now = measure_frame(frame, probe.rotation, probe.full_range)
        builder.add(
            pts=_NO_PTS if frame.pts is None else frame.pts,
            is_key=frame.key_frame,
            luma=now.luma,
            shadows=now.shadows,
            highlights=now.highlights,
            sharpness=now.sharpness,
            difference=0.0 if before is None else compute_difference(before, now.small),
            mismatch=0.0 if before is None else compute_mismatch(before, now.small),
            dhash=now.dhash,
            thumb=now.thumb,
            chroma=now.chroma,
        )
        before = now.small
        first = now.small if first is None else first
    yield _make_part(builder, first, before, damage)


def _make_part(
    builder: _SeriesBuilder, first: np.ndarray | None, last: np.ndarray | None, damage: str | None
) -> ScanPart:
    empty = np.zeros((SMALL, SMALL), np.uint8)
    return ScanPart(
        series=builder.build(),
        first=empty if first is None else first,
        last=empty if last is None else last,
        damage=None if damage is None else Reject(reason=Reason.DAMAGED, detail=damage),
    )


def scan_unit(path: Path, probe: Probe, unit: ScanUnit) -> ScanPart:
    """Decode and measure one unit's frames, as one part."""
    parts = list(scan_parts(path, probe, unit))
    return ScanPart(
        series={name: np.concatenate([part.series[name] for part in parts]) for name in DTYPES},
        first=parts[0].first,
        last=parts[-1].last,
        damage=parts[-1].damage,
    )


def judge_scan(probe: Probe, count: int, missing: int, damages: Iterable[Reject | None]) -> Reject | None:
    """Return the rejection of a video with `count` readable frames; None if its scan is valid.

    Rejects a file that is shorter than its header states as `truncated`, and one with undecodable frames as `damaged`;
    the detail states how many frames could be read.
    """
    stated = f" of {probe.promised_frames}" if probe.promised_frames else ""
    if missing:
        return Reject(
            reason=Reason.TRUNCATED,
            detail=f"the file ends {missing} bytes early: {count}{stated} frames can be read",
        )
    damage = next((damage for damage in damages if damage is not None), None)
    if damage is not None:
        return Reject(reason=Reason.DAMAGED, detail=f"{damage.detail} ({count}{stated} frames can be read)")
    if count == 0:
        return Reject(reason=Reason.DAMAGED, detail=f"no frame of the {probe.codec} stream can be decoded")
    return None


def has_timestamps(pts: np.ndarray) -> bool:
    """Tell whether a whole video's pts can be used; else frames are counted."""
    return bool(pts[0] != _NO_PTS and (np.diff(pts) > 0).all())


def count_pts(probe: Probe, start: int, end: int) -> np.ndarray:
    """Compute (end - start,) int64 pts of these frames at the nominal rate, for a file without pts."""
    return np.round(np.arange(start, end) / float(probe.fps * probe.time_base)).astype(np.int64)


def join_parts(path: Path, probe: Probe, parts: Sequence[ScanPart]) -> Scan | Reject:
    """Join a video's parts, in order; `judge_scan` decides on rejection."""
    reject = judge_scan(
        probe, sum(part.num_frames for part in parts), count_missing_bytes(path), (part.damage for part in parts)
    )
    if reject is not None:
        return reject
    parts = [part for part in parts if part.num_frames]
    series = {name: np.concatenate([part.series[name] for part in parts]) for name in DTYPES}
    begin = 0
    for before, after in zip(parts, parts[1:], strict=False):
        begin += before.num_frames
        series["difference"][begin] = compute_difference(before.last, after.first)
        series["mismatch"][begin] = compute_mismatch(before.last, after.first)
    timed = has_timestamps(series["pts"])
    if not timed:
        series["pts"] = count_pts(probe, 0, len(series["pts"]))
    return Scan(**series, timed=timed)


def scan_video(path: Path, probe: Probe, unit_s: float = 120.0) -> Scan | Reject:
    """Decode and measure every frame of a video, in one worker, into memory: 1.2 KB per frame."""
    return join_parts(path, probe, list(_scan_units(path, probe, plan_units(path, probe, unit_s))))


def _scan_units(path: Path, probe: Probe, units: list[ScanUnit]) -> Iterator[ScanPart]:
    for unit in units:
        for part in scan_parts(path, probe, unit):
            yield part
            if part.damage is not None:
                return
