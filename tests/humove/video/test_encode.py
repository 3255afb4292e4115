"""Encoding: the requested frames, in the output format, with reproducible bytes."""

import itertools
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from humove.video.encode import EncodeConfig, EncodeError, crop_yuv, encode_clip
from humove.video.frames import ArrayFrames


@pytest.fixture(scope="module")
def frames(film) -> ArrayFrames:
    with av.open(str(film("plain.mp4", 12))) as container:
        return ArrayFrames([f.to_ndarray(format="rgb24") for f in container.decode(video=0)], Fraction(30000, 1001))


def test_the_output_format(frames: ArrayFrames, tmp_path: Path, number_of) -> None:
    path = tmp_path / "a.mp4"
    encode_clip(frames, (0, 0, 320, 240), 320, 240, path, EncodeConfig())
    with av.open(str(path)) as container:
        (stream,) = container.streams
        decoded = list(container.decode(stream))
        assert stream.codec_context.name == "h264"
        assert (stream.average_rate, stream.frames, len(decoded)) == (Fraction(30000, 1001), 12, 12)
        assert stream.sample_aspect_ratio in (None, 1)
        assert {f.format.name for f in decoded} == {"yuv420p"}
        steps = {b.pts - a.pts for a, b in itertools.pairwise(decoded)}
        assert [s * stream.time_base for s in steps] == [Fraction(1001, 30000)]
        assert decoded[0].pts == 0
    images = [f.to_ndarray(format="rgb24") for f in decoded]
    assert [number_of(p) for p in images] == list(range(12))
    assert np.abs(images[5].astype(int) - frames.read_rgb(5)).mean() < 4
    head = path.read_bytes()
    assert head.index(b"moov") < head.index(b"mdat")  # readable from its start


def test_same_bytes_each_time(frames: ArrayFrames, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("one.mp4", "another name.mp4")]
    for path in paths:
        encode_clip(frames, (20, 10, 260, 170), 120, 80, path, EncodeConfig())
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_window_and_scale(frames: ArrayFrames, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    encode_clip(frames, (40, 60, 200, 220), 80, 80, path, EncodeConfig(crf=10))
    with av.open(str(path)) as container:
        image = next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    expected = frames.read_rgb(0)[60:220, 40:200].reshape(80, 2, 80, 2, 3).mean(axis=(1, 3))
    assert image.shape == expected.shape
    assert np.abs(image - expected).mean() < 6


@pytest.mark.parametrize("matrix", ["bt709", "bt601"])
@pytest.mark.parametrize("size", [(64, 96), (32, 48)])
def test_colours_are_preserved(tmp_path: Path, matrix: str, size: tuple[int, int]) -> None:
    class Flat(ArrayFrames):
        def read_yuv(self, index: int) -> np.ndarray:
            return np.repeat(np.array([101, 94, 192], np.uint8), (96, 24, 24))[:, None] * np.ones((1, 64), np.uint8)

    frames = Flat(np.zeros((3, 96, 64, 3), np.uint8), 30)
    frames.matrix = matrix
    encode_clip(frames, (0, 0, 64, 96), *size, tmp_path / "a.mp4", EncodeConfig())
    with av.open(str(tmp_path / "a.mp4")) as container:
        stored = next(container.decode(video=0))
    planes, high = stored.to_ndarray(), size[1]
    found = [np.median(planes[rows]) for rows in (slice(high), slice(high, high * 5 // 4), slice(high * 5 // 4, None))]
    assert found == [101, 94, 192]
    assert int(stored.colorspace) == {"bt709": 1, "bt601": 6}[matrix]


def test_crop_yuv_cuts_each_plane() -> None:
    yuv = np.arange(12 * 8, dtype=np.uint8).reshape(12, 8)  # 8x8 luma, 4x4 U, 4x4 V
    cut = np.frombuffer(crop_yuv(yuv, (2, 4, 6, 8)), np.uint8)
    assert cut[:16].reshape(4, 4).tolist() == yuv[4:8, 2:6].tolist()
    assert cut[16:20].tolist() == yuv[8:10].reshape(4, 4)[2:4, 1:3].ravel().tolist()
    assert cut[20:].tolist() == yuv[10:12].reshape(4, 4)[2:4, 1:3].ravel().tolist()


def test_errors_hold_ffmpegs_message(frames: ArrayFrames, tmp_path: Path) -> None:
    with pytest.raises(EncodeError, match="No such file or directory"):
        encode_clip(frames, (0, 0, 320, 240), 320, 240, tmp_path / "nowhere" / "a.mp4", EncodeConfig())


@pytest.mark.parametrize("window", [(0, 0, 321, 240), (1, 0, 101, 100), (100, 0, 100, 50), (0, 0, 340, 240)])
def test_bad_windows(frames: ArrayFrames, tmp_path: Path, window: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="even and inside"):
        encode_clip(frames, window, 100, 100, tmp_path / "a.mp4", EncodeConfig())


def test_a_name_is_not_a_command(frames: ArrayFrames, tmp_path: Path) -> None:
    path = tmp_path / "with space 人 #1 %03d;x.mp4"
    encode_clip(frames, (0, 0, 64, 64), 64, 64, path, EncodeConfig())
    assert path.stat().st_size > 0
