"""Probe: properties as displayed, and the rejection of other files."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from humove.reasons import Reason
from humove.stage import Reject
from humove.video.probe import Probe, compute_nominal_fps, probe_video


@pytest.mark.parametrize(
    ("base", "average", "expected"),
    [
        ("30", "30", "30"),
        ("30", "140625/4688", "30"),  # jittered timestamps
        ("30", "1200/59", "30"),  # dropped frames
        ("30000/1001", "30000/1001", "30000/1001"),
        ("90000", "30000/1001", "30000/1001"),  # the base is the clock of the timestamps
        ("50", "25", "25"),  # the base counts fields
        (None, "140625/4688", "30"),
        ("179/6", "179/6", "179/6"),
        ("5", "5", "5"),
        (None, None, "25"),
    ],
)
def test_nominal_fps(base: str | None, average: str | None, expected: str) -> None:
    assert compute_nominal_fps(base and Fraction(base), average and Fraction(average)) == Fraction(expected)


def test_plain(film) -> None:
    probe = probe_video(film("plain.mp4", 12))
    assert isinstance(probe, Probe)
    assert (probe.width, probe.height, probe.fps, probe.codec, probe.promised_frames) == (320, 240, 30, "h264", 12)
    assert (probe.rotation, probe.sar, probe.interlaced, probe.full_range) == (0, 1, False, False)


def test_sample_aspect_ratio_then_rotation(film) -> None:
    wide = probe_video(film("sar.mp4", 4, sar=Fraction(2)))
    assert (wide.width, wide.height) == (640, 240)
    turned = probe_video(film("sar_turned.mp4", 4, sar=Fraction(2), rotation=90))
    assert turned.rotation in (90, 270)
    assert (turned.width, turned.height) == (240, 640)


def test_not_a_video(tmp_path: Path) -> None:
    empty = tmp_path / "empty.mp4"
    empty.touch()
    text = tmp_path / "text.mp4"
    text.write_text("not a video\n" * 50)
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(np.random.default_rng(0).bytes(5000))
    for path in (empty, text, noise):
        probe = probe_video(path)
        assert isinstance(probe, Reject), path
        assert probe.reason is Reason.UNREADABLE
        assert "\n" not in probe.detail


def test_no_index_at_the_end(film, tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    path.write_bytes(film("plain.mp4", 12).read_bytes()[:-600])
    assert probe_video(path).reason is Reason.UNREADABLE


def test_still_image_and_sound(tmp_path: Path) -> None:
    image = tmp_path / "picture.mp4"
    ok, data = cv2.imencode(".png", np.zeros((50, 60, 3), np.uint8))
    assert ok
    image.write_bytes(data.tobytes())
    sound = tmp_path / "sound.mp4"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    for path in (image, sound):
        assert probe_video(path).reason is Reason.NO_VIDEO_STREAM


def test_a_missing_file_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        probe_video(tmp_path / "nowhere.mp4")


def test_real_files(shared_data: Path) -> None:
    folder = shared_data / "video"
    assert (probe_video(folder / "rot_portrait_meta.mp4").width, probe_video(folder / "sar_2to1.mp4").width) == (
        540,
        960,
    )
    assert probe_video(folder / "weird_timebase.mp4").fps == probe_video(folder / "vfr.mp4").fps == 30
    assert probe_video(folder / "interlaced_mpeg2.ts").interlaced
    assert probe_video(folder / "intel_asl_walk.mkv").full_range
    assert probe_video(folder / "truncated_no_moov.mp4").reason is Reason.UNREADABLE
    assert probe_video(folder / "audio_only.mp4").reason is Reason.NO_VIDEO_STREAM
