"""A stored scan equals the scan in memory, reads a few chunks at a time, and has equal spans."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from humove.reasons import Reason
from humove.stage import Reject
from humove.video import scan as scan_module
from humove.video.container import count_missing_bytes
from humove.video.probe import Probe, probe_video
from humove.video.scan import Scan, ScanPart, plan_units, scan_parts, scan_video
from humove.video.scan_store import ScanIndex, StoredScan, join_stored, read_span, write_parts


class Chunks(dict):
    """Chunks by name; counts reads."""

    def __init__(self) -> None:
        super().__init__()
        self.read_names: list[str] = []

    def read(self, name: str) -> bytes:
        self.read_names.append(name)
        return self[name]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[StoredScan | Reject, Chunks]]:
    """store(path, probe, frames per chunk, seconds per unit) -> the joined scan and its chunks."""

    def make(path: Path, probe: Probe, frames: int = 16, unit_s: float = 120.0) -> tuple[StoredScan | Reject, Chunks]:
        monkeypatch.setattr(scan_module, "CHUNK_FRAMES", frames)
        chunks, names = Chunks(), []
        for number, unit in enumerate(plan_units(path, probe, unit_s)):
            names += write_parts(scan_parts(path, probe, unit), chunks.__setitem__, f"{number:03d}-")
        return join_stored(names, chunks.read, probe, count_missing_bytes(path)), chunks

    return make


def _assert_same(a: Scan, b: Scan) -> None:
    left, right = a.to_arrays(), b.to_arrays()
    for name, values in left.items():
        assert np.array_equal(values, right[name]), name


@pytest.mark.parametrize("unit_s", [120.0, 0.6])
@pytest.mark.parametrize("frames", [7, 16, 4096])
def test_chunks_join_to_the_bits_of_the_scan_in_memory(frames: int, unit_s: float, film, formats, store) -> None:
    for name in ("open_gop.mp4", "offset.mkv", "untimed.avi"):
        path = film(name, 70, **formats[name])
        probe = probe_video(path)
        stored, _ = store(path, probe, frames, unit_s)
        whole = scan_video(path, probe)
        assert len(stored.index.names) >= 70 // frames
        assert (stored.num_frames, stored.timed) == (70, whole.timed)
        _assert_same(stored.take_window(0, 70), whole)
        _assert_same(stored.take_window(13, 41), whole.take_window(13, 41))


def test_a_span_read_from_chunks_is_that_of_the_whole_scan(any_film: Path, store) -> None:
    probe = probe_video(any_film)
    stored, chunks = store(any_film, probe, 16)
    index = ScanIndex.from_json(json.loads(json.dumps(stored.index.to_json())))
    whole = scan_video(any_film, probe)
    for start in range(70):
        end = min(70, start + 5)
        read, cut, again = (
            read_span(index, chunks.read, probe, start, end),
            whole.cut(start, end),
            stored.cut(start, end),
        )
        for other in (cut, again):
            assert (read.first_frame, read.end_frame, read.timed) == (other.first_frame, end, other.timed)
            assert np.array_equal(read.pts, other.pts)
            assert read.find_key_before(start) == other.find_key_before(start)
        assert np.array_equal(read.get_timestamps(start, end), whole.pts[start:end])
        if whole.timed:
            assert read.find_key_before(start) == np.flatnonzero(whole.is_key[: start + 1])[-1] == read.first_frame
            assert np.array_equal(read.is_key, cut.is_key)
    with pytest.raises(ValueError, match="outside the video's 70 frames"):
        read_span(index, chunks.read, probe, 65, 71)
    with pytest.raises(ValueError, match="outside the scanned frames"):
        whole.cut(20, 30).get_timestamps(20, 31)


def test_a_clip_reads_its_own_chunks_and_those_back_to_its_key_frame(film, store) -> None:
    path = film("keys.mp4", 100, options={"x264-params": "keyint=60:min-keyint=60:scenecut=0:bframes=0"})
    probe = probe_video(path)
    stored, chunks = store(path, probe, 10)
    assert np.flatnonzero(stored.is_key).tolist() == [0, 60]
    for (start, end), expected in {(61, 69): [6], (60, 80): [6, 7], (85, 95): [8, 9, 6, 7], (3, 9): [0]}.items():
        chunks.read_names.clear()
        assert read_span(stored.index, chunks.read, probe, start, end).first_frame == (60 if start >= 60 else 0)
        assert chunks.read_names == [f"000-{number:05d}.npz" for number in expected]


def test_images_are_indexed_like_an_array_and_read_once_in_order(film, formats, store) -> None:
    path = film("bframes.mp4", 70, **formats["bframes.mp4"])
    stored, chunks = store(path, probe_video(path), 8)
    whole = scan_video(path, probe_video(path))
    for series, expected in ((stored.thumb, whole.thumb), (stored.chroma, whole.chroma)):
        assert len(series) == 70
        for key in (0, 7, 8, 69, -1, np.int64(33), slice(5, 7), slice(6, 10), slice(0, 70), slice(60, 99), slice(9, 9)):
            assert np.array_equal(series[key], expected[key]), key
        with pytest.raises(IndexError):
            series[70]
        with pytest.raises(ValueError, match="step 1"):
            series[0:9:2]
        with pytest.raises(ValueError, match="read-only"):
            series[3][:] = 0
    chunks.read_names.clear()
    assert np.array_equal(np.stack(list(stored.thumb)), whole.thumb)
    for frame in range(8, 70):
        assert np.array_equal(stored.thumb[frame - 8 : frame], whole.thumb[frame - 8 : frame])
    assert len(chunks.read_names) <= 2 * len(chunks)


def test_a_part_keeps_its_damage_and_its_images() -> None:
    part = ScanPart(
        series={name: np.zeros((0, *shape), dtype) for name, (dtype, shape) in _EMPTY.items()},
        first=np.full((96, 96), 3, np.uint8),
        last=np.full((96, 96), 4, np.uint8),
        damage=Reject(reason=Reason.DAMAGED, detail="frame 7 is damaged"),
    )
    again = ScanPart.from_bytes(part.to_bytes())
    assert again.damage == part.damage and again.num_frames == 0
    assert (again.first == 3).all() and (again.last == 4).all()


_EMPTY = {name: (dtype, scan_module._SHAPES.get(name, ())) for name, dtype in scan_module.DTYPES.items()}


def test_the_stored_scan_rejects_the_same_files(film, store, tmp_path: Path) -> None:
    data = film("faststart.mp4", 60, options={"g": "15"}, container_options={"movflags": "+faststart"}).read_bytes()
    short, broken = tmp_path / "short.mp4", tmp_path / "broken.mp4"
    short.write_bytes(data[: len(data) * 6 // 10])
    middle = len(data) // 2
    broken.write_bytes(data[:middle] + np.random.default_rng(1).bytes(3000) + data[middle + 3000 :])
    for path, reason in ((short, Reason.TRUNCATED), (broken, Reason.DAMAGED)):
        for frames in (5, 4096):
            found, _ = store(path, probe_video(path), frames)
            assert found.reason is reason
            assert found == scan_video(path, probe_video(path))
