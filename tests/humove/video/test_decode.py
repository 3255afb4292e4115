"""SpanDecoder: a decoder shared by a video's clips yields the same frames as one per clip, with less decoding."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from humove.video import decode
from humove.video.decode import SeekError, SpanDecoder
from humove.video.probe import probe_video
from humove.video.scan import scan_video

_IN_ORDER = [(0, 12), (12, 30), (30, 45), (45, 70)]
_ORDERS = {
    "in order": _IN_ORDER,
    "with gaps": [(3, 9), (25, 33), (38, 41), (62, 70)],
    "backwards": _IN_ORDER[::-1],
    "twice": [(10, 20), (10, 20), (15, 25), (61, 62), (21, 22)],
}


def _read_frames(frames: Iterator[av.VideoFrame]) -> list[bytes]:
    return [frame.to_ndarray().tobytes() for frame in frames]


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Count opened files and decoded frames."""
    counts = {"opened": 0, "decoded": 0}
    opened, shown = decode.open_stream, decode._decode_from_pts

    def open_stream(path: Path) -> tuple:
        counts["opened"] += 1
        return opened(path)

    def decode_from_pts(container: object, stream: object, key_pts: int | None) -> Iterator[av.VideoFrame]:
        for frame in shown(container, stream, None):
            counts["decoded"] += 1
            if key_pts is None or (frame.pts is not None and frame.pts >= key_pts):
                yield frame

    monkeypatch.setattr(decode, "open_stream", open_stream)
    monkeypatch.setattr(decode, "_decode_from_pts", decode_from_pts)
    return counts


@pytest.mark.parametrize("order", sorted(_ORDERS))
def test_shared_decoding_equals_decoding_each_clip_alone(order: str, any_film: Path) -> None:
    probe = probe_video(any_film)
    scanned = scan_video(any_film, probe)
    with SpanDecoder(any_film, probe) as kept:
        for start, end in _ORDERS[order]:
            with SpanDecoder(any_film, probe) as alone:
                expected = _read_frames(alone.decode(scanned.cut(start, end), start, end))
            assert len(expected) == end - start
            assert _read_frames(kept.decode(scanned.cut(start, end), start, end)) == expected, (start, end)


def test_a_span_of_several_clips_serves_each(any_film: Path) -> None:
    probe = probe_video(any_film)
    scanned = scan_video(any_film, probe)
    span = scanned.cut(22, 70)
    with SpanDecoder(any_film, probe) as kept, SpanDecoder(any_film, probe) as alone:
        for start, end in ((22, 44), (44, 66), (41, 50)):
            expected = _read_frames(alone.decode(scanned.cut(start, end), start, end))
            assert _read_frames(kept.decode(span, start, end)) == expected


@pytest.mark.parametrize("name", ["untimed.avi", "one_key.mp4"])
def test_clips_in_order_decode_each_frame_once(name: str, film, formats: dict[str, dict], work) -> None:
    """For a file without timestamps, and for one with a single keyframe."""
    path = film(name, 70, **formats.get(name, {"options": {"g": "300"}}))
    probe = probe_video(path)
    scanned = scan_video(path, probe)
    assert scanned.timed == (name == "one_key.mp4")
    work.update(opened=0, decoded=0)
    with SpanDecoder(path, probe) as decoder:
        for start, end in _IN_ORDER:
            assert len(_read_frames(decoder.decode(scanned.cut(start, end), start, end))) == end - start
    assert work == {"opened": 1, "decoded": 70}


def test_a_distant_clip_seeks_in_the_open_file(film, work) -> None:
    path = film("keys20.mp4", 200, options={"x264-params": "keyint=20:min-keyint=20:scenecut=0:bframes=0"})
    probe = probe_video(path)
    scanned = scan_video(path, probe)
    work.update(opened=0, decoded=0)
    with SpanDecoder(path, probe) as decoder:
        for start, end in ((45, 50), (50, 65), (125, 130), (185, 190)):
            _read_frames(decoder.decode(scanned.cut(start, end), start, end))
    assert work == {"opened": 1, "decoded": (65 - 40) + (130 - 120) + (190 - 180)}


def test_without_working_seeks_decoding_continues(film, formats, work, monkeypatch: pytest.MonkeyPatch) -> None:
    path = film("mpeg2.ts", 70, **formats["mpeg2.ts"])
    probe = probe_video(path)
    scanned = scan_video(path, probe)
    expected = [_read_frames(SpanDecoder(path, probe).decode(scanned.cut(*span), *span)) for span in _IN_ORDER]
    monkeypatch.setattr(decode, "_seek_keyframe", lambda *_: None)
    work.update(opened=0, decoded=0)
    with SpanDecoder(path, probe) as decoder:
        assert [_read_frames(decoder.decode(scanned.cut(*span), *span)) for span in _IN_ORDER] == expected
        assert work["decoded"] == 70
        assert _read_frames(decoder.decode(scanned.cut(12, 30), 12, 30)) == expected[1]


def test_another_file_is_noticed_and_the_decoder_still_serves(film, formats) -> None:
    path = film("plain.mp4", 12)
    longer = film("bframes.mp4", 70, **formats["bframes.mp4"])
    probe = probe_video(path)
    scanned, other = scan_video(path, probe), scan_video(longer, probe_video(longer))
    with SpanDecoder(path, probe) as decoder:
        with pytest.raises(SeekError, match=r"plain\.mp4"):
            list(decoder.decode(other.cut(5, 40), 5, 40))
        assert len(list(decoder.decode(scanned.cut(5, 9), 5, 9))) == 4
        with pytest.raises(ValueError, match="outside"):
            list(decoder.decode(scanned.cut(5, 9), 5, 10))


def test_a_clip_that_is_left_early_leaves_the_decoder_in_place(film, formats) -> None:
    path = film("bframes.mp4", 70, **formats["bframes.mp4"])
    probe = probe_video(path)
    scanned = scan_video(path, probe)
    with SpanDecoder(path, probe) as decoder:
        next(decoder.decode(scanned.cut(5, 30), 5, 30))
        shown = list(decoder.decode(scanned.cut(7, 12), 7, 12))
    assert [frame.pts for frame in shown] == scanned.pts[7:12].tolist()
    assert np.all(np.diff(scanned.pts) > 0)
