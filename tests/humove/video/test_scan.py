"""Scan: every frame is counted once, parts join exactly, and only damaged files are rejected."""

from pathlib import Path

import numpy as np
import pytest

from humove.reasons import Reason
from humove.stage import Reject
from humove.video.probe import probe_video
from humove.video.scan import Scan, ScanUnit, join_parts, plan_units, scan_unit, scan_video


def _are_equal(a: Scan, b: Scan) -> bool:
    left, right = a.to_arrays(), b.to_arrays()
    return all(np.array_equal(left[name], right[name]) for name in left)


def test_every_format_is_scanned_completely(any_film: Path) -> None:
    result = scan_video(any_film, probe_video(any_film))
    assert isinstance(result, Scan), result
    assert result.num_frames == 70
    assert result.is_key[0]
    assert 3 <= result.is_key.sum() <= 5
    assert (np.diff(result.pts) > 0).all()


@pytest.mark.parametrize("name", ["bframes.mp4", "open_gop.mp4", "hevc_open_gop.mp4", "offset.mkv", "vp9.webm"])
def test_units_join_to_the_same_bits(name: str, film, formats: dict[str, dict]) -> None:
    path = film(name, 70, **formats[name])
    probe = probe_video(path)
    units = plan_units(path, probe, unit_s=0.6)
    assert len(units) >= 3
    parts = [scan_unit(path, probe, unit) for unit in units]
    assert _are_equal(join_parts(path, probe, parts), join_parts(path, probe, [scan_unit(path, probe, ScanUnit())]))


def test_a_short_video_is_one_unit(film) -> None:
    path = film("plain.mp4", 12)
    assert plan_units(path, probe_video(path)) == [ScanUnit()]


def test_bytes_keep_everything(film) -> None:
    path = film("plain.mp4", 12)
    result = scan_video(path, probe_video(path))
    again = Scan.from_bytes(result.to_bytes())
    assert _are_equal(result, again)
    assert np.array_equal(result.thumb, again.thumb)
    assert again.timed is True


def _write_faststart(film) -> Path:
    return film("faststart.mp4", 60, options={"g": "15"}, container_options={"movflags": "+faststart"})


def test_truncated(film, tmp_path: Path) -> None:
    data = _write_faststart(film).read_bytes()
    path = tmp_path / "short.mp4"
    path.write_bytes(data[: len(data) * 6 // 10])
    result = scan_video(path, probe_video(path))
    assert isinstance(result, Reject)
    assert result.reason is Reason.TRUNCATED
    assert "of 60 frames" in result.detail


@pytest.mark.parametrize("name", ["offset.mkv", "vp9.webm", "mpeg4.avi"])
def test_truncated_without_an_index(name: str, film, formats: dict[str, dict], tmp_path: Path) -> None:
    data = film(name, 70, **formats[name]).read_bytes()
    path = tmp_path / name
    path.write_bytes(data[: len(data) * 6 // 10])
    assert scan_video(path, probe_video(path)).reason is Reason.TRUNCATED


def test_a_live_recording_states_no_length(film, tmp_path: Path) -> None:
    data = bytearray(film("live.mkv", 70).read_bytes())
    at = data.index(b"\x18\x53\x80\x67") + 4
    data[at : at + 8] = b"\x01" + b"\xff" * 7
    path = tmp_path / "live.mkv"
    path.write_bytes(data)
    assert scan_video(path, probe_video(path)).num_frames == 70


def test_damaged(film, tmp_path: Path) -> None:
    data = bytearray(_write_faststart(film).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = np.random.default_rng(1).bytes(3000)
    path = tmp_path / "broken.mp4"
    path.write_bytes(data)
    result = scan_video(path, probe_video(path))
    assert isinstance(result, Reject)
    assert result.reason is Reason.DAMAGED


def test_uneven_timestamps_are_not_damage(film) -> None:
    path = film("vfr.mp4", 20, pts=[i + i // 4 for i in range(20)])
    result = scan_video(path, probe_video(path))
    assert result.num_frames == 20
    assert result.timed


def test_one_frame(film) -> None:
    path = film("one.mp4", 1)
    assert scan_video(path, probe_video(path)).num_frames == 1


def test_real_files(shared_data: Path) -> None:
    verdicts = {}
    for path in sorted((shared_data / "video").iterdir()):
        probe = probe_video(path)
        if not isinstance(probe, Reject) and path.stat().st_size < 400_000:
            result = scan_video(path, probe)
            verdicts[path.name] = result.reason if isinstance(result, Reject) else result.num_frames
    bad = {name: verdict for name, verdict in verdicts.items() if isinstance(verdict, Reason)}
    assert bad == {
        "corrupt_middle.mp4": Reason.DAMAGED,
        "decord_corrupted.mp4": Reason.DAMAGED,
        "truncated_faststart.mp4": Reason.TRUNCATED,
    }
    assert verdicts["vfr.mp4"] == 80
