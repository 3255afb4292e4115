"""ClipFrames: the right frames, upright, uncropped, at a constant rate, without leftover files."""

import os
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from humove.video.decode import SeekError, SpanDecoder
from humove.video.frames import ArrayFrames, ClipFrames, compute_working_size
from humove.video.probe import probe_video
from humove.video.scan import scan_video

_SPANS = ((0, 3), (5, 9), (19, 23), (20, 22), (38, 45), (40, 41), (59, 70))
"""Around the keyframes at 0, 20, 40, 60, and both ends."""


def _open_frames(path: Path, scratch: Path, start: int, end: int, **options: int) -> ClipFrames:
    probe = probe_video(path)
    return ClipFrames(
        path, probe=probe, scan=scan_video(path, probe), start_frame=start, end_frame=end, scratch=scratch, **options
    )


def test_exact_in_every_format(any_film: Path, tmp_path: Path, number_of) -> None:
    probe = probe_video(any_film)
    scanned = scan_video(any_film, probe)
    for start, end in _SPANS:
        with ClipFrames(
            any_film, probe=probe, scan=scanned, start_frame=start, end_frame=end, scratch=tmp_path
        ) as frames:
            assert [number_of(frames.read_rgb(i)) for i in range(len(frames))] == list(range(start, end)), (start, end)
            assert frames.source_frames.tolist() == list(range(start, end))
            assert (frames.width, frames.height, frames.fps) == (320, 240, probe.fps)
    assert list(tmp_path.iterdir()) == []


def test_seeking_gives_the_bits_of_decoding_from_the_start(film, formats, tmp_path: Path) -> None:
    path = film("open_gop.mp4", 70, **formats["open_gop.mp4"])
    with _open_frames(path, tmp_path, 0, 70) as whole, _open_frames(path, tmp_path, 41, 60) as part:
        assert all(np.array_equal(whole.read_yuv(41 + i), part.read_yuv(i)) for i in range(len(part)))


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_upright(turn: int, film, tmp_path: Path) -> None:
    path = film(f"turned{turn}.mp4", 3, rotation=turn)
    probe = probe_video(path)
    with _open_frames(path, tmp_path, 0, 2) as frames:
        image = frames.read_rgb(0).astype(int)
    height, width = image.shape[:2]
    assert (width, height) == ((320, 240) if turn == 180 else (240, 320))
    red = (image[..., 0] - image[..., 1]) > 100
    y, x = (axis.mean() for axis in np.nonzero(red))
    # The red corner was stored at the bottom left; turned counter-clockwise by the probe's angle it comes to:
    corner = {90: (1, 1), 180: (0, 1), 270: (0, 0)}[probe.rotation]
    assert (y > height / 2, x > width / 2) == tuple(map(bool, corner))


def test_square_pixels_and_even_sides(film, tmp_path: Path, number_of) -> None:
    with _open_frames(film("sar.mp4", 4, sar=Fraction(2)), tmp_path, 0, 4) as frames:
        assert (frames.width, frames.height) == (640, 240)
        assert [number_of(frames.read_rgb(i)) for i in range(4)] == [0, 1, 2, 3]
    images = [np.full((97, 131, 3), 90 + i, np.uint8) for i in range(4)]
    with _open_frames(film("odd.mp4", images, pix_fmt="yuv444p"), tmp_path, 0, 4) as frames:
        assert frames.read_rgb(0).shape == (96, 130, 3)
        assert frames.read_yuv(0).shape == (144, 130)


def test_the_short_side_is_capped(film, tmp_path: Path, number_of) -> None:
    with _open_frames(film("plain.mp4", 12), tmp_path, 2, 5, max_short_side=120) as frames:
        assert (frames.width, frames.height) == (160, 120)
        assert [number_of(frames.read_rgb(i)) for i in range(3)] == [2, 3, 4]


def test_full_range_becomes_limited(film, tmp_path: Path) -> None:
    images = [np.full((96, 128, 3), 255, np.uint8)] * 3
    path = film("white.mp4", images, pix_fmt="yuvj420p", full_range=True)
    assert probe_video(path).full_range
    with _open_frames(path, tmp_path, 0, 3) as frames:
        assert abs(int(frames.read_yuv(0)[:96].mean()) - 235) <= 1
        assert frames.read_rgb(0).mean() > 252


def test_variable_rate_is_filled(film, tmp_path: Path, number_of) -> None:
    pts = [i + i // 4 for i in range(20)]  # after every fourth frame one is missing
    with _open_frames(film("vfr.mp4", 20, pts=pts), tmp_path, 0, 20) as frames:
        shown = [number_of(frames.read_rgb(i)) for i in range(len(frames))]
    assert len(frames) == pts[-1] + 1
    assert (
        shown == frames.source_frames.tolist() == [max(k for k in range(20) if pts[k] <= t) for t in range(len(shown))]
    )


def test_fast_rates_are_halved(film, tmp_path: Path, number_of) -> None:
    with _open_frames(film("fast.mp4", 24, rate=120), tmp_path, 4, 24) as frames:
        assert frames.fps == 60
        assert [number_of(frames.read_rgb(i)) for i in range(len(frames))] == list(range(4, 24, 2))


def test_another_file_is_noticed(film, tmp_path: Path) -> None:
    path = film("plain.mp4", 12)
    longer = film("bframes.mp4", 70, options={"g": "20", "bf": "3"})
    with pytest.raises(SeekError):
        ClipFrames(
            path,
            probe=probe_video(path),
            scan=scan_video(longer, probe_video(longer)),
            start_frame=5,
            end_frame=40,
            scratch=tmp_path,
        )
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="outside"):
        _open_frames(path, tmp_path, 5, 13)


def test_a_decoder_serves_several_clips(film, formats, tmp_path: Path, number_of) -> None:
    path = film("open_gop.mp4", 70, **formats["open_gop.mp4"])
    probe = probe_video(path)
    scanned = scan_video(path, probe)
    with SpanDecoder(path, probe) as decoder:
        for start, end in ((2, 21), (21, 45), (60, 70), (5, 8)):
            with ClipFrames(
                decoder, probe=probe, scan=scanned.cut(start, end), start_frame=start, end_frame=end, scratch=tmp_path
            ) as frames:
                assert [number_of(frames.read_rgb(i)) for i in range(len(frames))] == list(range(start, end))


def test_memory_up_to_a_bound_then_a_file(film, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = film("plain.mp4", 12)
    image = 320 * 240 * 3 // 2
    with _open_frames(path, tmp_path, 0, 12) as frames:
        expected = [frames.read_yuv(i).copy() for i in range(12)]
        with pytest.raises(ValueError, match="read-only"):
            frames.read_yuv(0)[:] = 0
    opened = []
    make = tempfile.TemporaryFile

    def temporary(**options: object) -> object:
        opened.append(make(**options))
        return opened[-1]

    monkeypatch.setattr(tempfile, "TemporaryFile", temporary)
    for held in (0, 5, 12):
        opened.clear()
        with _open_frames(path, tmp_path, 0, 12, max_bytes=held * image + 1) as frames:
            assert all(np.array_equal(frames.read_yuv(i), expected[i]) for i in (11, 0, *range(12)))
            assert sum(os.fstat(file.fileno()).st_size for file in opened) == (12 - held) * image
        assert all(file.closed for file in opened)
        with pytest.raises(ValueError, match="closed"):
            frames.read_yuv(0)
    assert list(tmp_path.iterdir()) == []


def test_array_frames_equal_clip_frames() -> None:
    images = np.random.default_rng(0).integers(0, 255, (2, 16, 32, 3), dtype=np.uint8)
    with ArrayFrames(images, 30) as frames:
        assert (len(frames), frames.width, frames.height, frames.fps) == (2, 32, 16, 30)
        assert frames.read_yuv(1).shape == (24, 32)
        assert np.array_equal(frames.read_rgb(1), images[1])
    with pytest.raises(ValueError, match="even"):
        ArrayFrames(np.zeros((1, 15, 32, 3), np.uint8), 30)


def test_working_size_of_real_files(shared_data: Path) -> None:
    assert compute_working_size(probe_video(shared_data / "video" / "phalp_vid.mp4"), 720) == (1270, 720)


def test_interlaced_frames_are_deinterlaced(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "video" / "interlaced_mpeg2.ts"
    probe = probe_video(path)
    scanned = scan_video(path, probe)
    with ClipFrames(path, probe=probe, scan=scanned, start_frame=11, end_frame=30, scratch=tmp_path) as frames:
        assert len(frames) == 19
        assert frames.source_frames.tolist() == list(range(11, 30))
        luma = frames.read_yuv(9)[: frames.height].astype(int)
    # Combing is a difference between neighbouring lines that the lines two apart do not show.
    comb = np.abs(luma[1:-1] * 2 - luma[:-2] - luma[2:]).mean() / np.abs(luma[2:] - luma[:-2]).mean()
    assert comb < 0.9
