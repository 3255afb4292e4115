"""SpanDecoder: one decoder for the clips of a video gives what each clip would get alone, and decodes no frame twice
without need."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from humove.video import decode
from humove.video.decode import SeekError, SpanDecoder
from humove.video.probe import probe
from humove.video.scan import scan

_IN_ORDER = [(0, 12), (12, 30), (30, 45), (45, 70)]
_ORDERS = {
    "in order": _IN_ORDER,
    "with gaps": [(3, 9), (25, 33), (38, 41), (62, 70)],
    "backwards": _IN_ORDER[::-1],
    "twice": [(10, 20), (10, 20), (15, 25), (61, 62), (21, 22)],
}


def _pictures(frames: Iterator[av.VideoFrame]) -> list[bytes]:
    return [frame.to_ndarray().tobytes() for frame in frames]


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Counts the files opened and the frames decoded."""
    counts = {"opened": 0, "decoded": 0}
    opened, shown = decode.open_stream, decode._shown_from

    def open_stream(path: Path) -> tuple:
        counts["opened"] += 1
        return opened(path)

    def shown_from(container: object, stream: object, key_pts: int | None) -> Iterator[av.VideoFrame]:
        for frame in shown(container, stream, None):
            counts["decoded"] += 1
            if key_pts is None or (frame.pts is not None and frame.pts >= key_pts):
                yield frame

    monkeypatch.setattr(decode, "open_stream", open_stream)
    monkeypatch.setattr(decode, "_shown_from", shown_from)
    return counts


@pytest.mark.parametrize("order", sorted(_ORDERS))
def test_as_if_each_clip_were_decoded_alone(order: str, any_film: Path) -> None:
    seen = probe(any_film)
    scanned = scan(any_film, seen)
    with SpanDecoder(any_film, seen) as kept:
        for start, end in _ORDERS[order]:
            with SpanDecoder(any_film, seen) as alone:
                wanted = _pictures(alone.decode(scanned.cut(start, end), start, end))
            assert len(wanted) == end - start
            assert _pictures(kept.decode(scanned.cut(start, end), start, end)) == wanted, (start, end)


def test_a_span_of_several_clips_serves_each(any_film: Path) -> None:
    seen = probe(any_film)
    scanned = scan(any_film, seen)
    span = scanned.cut(22, 70)
    with SpanDecoder(any_film, seen) as kept, SpanDecoder(any_film, seen) as alone:
        for start, end in ((22, 44), (44, 66), (41, 50)):
            wanted = _pictures(alone.decode(scanned.cut(start, end), start, end))
            assert _pictures(kept.decode(span, start, end)) == wanted


@pytest.mark.parametrize("name", ["untimed.avi", "one_key.mp4"])
def test_clips_in_order_decode_each_frame_once(name: str, film, formats: dict[str, dict], work) -> None:
    """Of a file without timestamps, and of one with a single key frame."""
    path = film(name, 70, **formats.get(name, {"options": {"g": "300"}}))
    seen = probe(path)
    scanned = scan(path, seen)
    assert scanned.timed == (name == "one_key.mp4")
    work.update(opened=0, decoded=0)
    with SpanDecoder(path, seen) as decoder:
        for start, end in _IN_ORDER:
            assert len(_pictures(decoder.decode(scanned.cut(start, end), start, end))) == end - start
    assert work == {"opened": 1, "decoded": 70}


def test_a_far_clip_is_sought_in_the_open_file(film, work) -> None:
    path = film("keys20.mp4", 200, options={"x264-params": "keyint=20:min-keyint=20:scenecut=0:bframes=0"})
    seen = probe(path)
    scanned = scan(path, seen)
    work.update(opened=0, decoded=0)
    with SpanDecoder(path, seen) as decoder:
        for start, end in ((45, 50), (50, 65), (125, 130), (185, 190)):
            _pictures(decoder.decode(scanned.cut(start, end), start, end))
    assert work == {"opened": 1, "decoded": (65 - 40) + (130 - 120) + (190 - 180)}


def test_where_no_seek_works_the_file_is_read_on(film, formats, work, monkeypatch: pytest.MonkeyPatch) -> None:
    path = film("mpeg2.ts", 70, **formats["mpeg2.ts"])
    seen = probe(path)
    scanned = scan(path, seen)
    wanted = [_pictures(SpanDecoder(path, seen).decode(scanned.cut(*span), *span)) for span in _IN_ORDER]
    monkeypatch.setattr(decode, "_seek", lambda *_: None)
    work.update(opened=0, decoded=0)
    with SpanDecoder(path, seen) as decoder:
        assert [_pictures(decoder.decode(scanned.cut(*span), *span)) for span in _IN_ORDER] == wanted
        assert work["decoded"] == 70
        assert _pictures(decoder.decode(scanned.cut(12, 30), 12, 30)) == wanted[1]


def test_another_file_is_noticed_and_the_decoder_still_serves(film, formats) -> None:
    path = film("plain.mp4", 12)
    longer = film("bframes.mp4", 70, **formats["bframes.mp4"])
    seen = probe(path)
    scanned, other = scan(path, seen), scan(longer, probe(longer))
    with SpanDecoder(path, seen) as decoder:
        with pytest.raises(SeekError, match=r"plain\.mp4"):
            list(decoder.decode(other.cut(5, 40), 5, 40))
        assert len(list(decoder.decode(scanned.cut(5, 9), 5, 9))) == 4
        with pytest.raises(ValueError, match="outside"):
            list(decoder.decode(scanned.cut(5, 9), 5, 10))


def test_a_clip_that_is_left_early_leaves_the_decoder_in_place(film, formats) -> None:
    path = film("bframes.mp4", 70, **formats["bframes.mp4"])
    seen = probe(path)
    scanned = scan(path, seen)
    with SpanDecoder(path, seen) as decoder:
        next(decoder.decode(scanned.cut(5, 30), 5, 30))
        shown = list(decoder.decode(scanned.cut(7, 12), 7, 12))
    assert [frame.pts for frame in shown] == scanned.pts[7:12].tolist()
    assert np.all(np.diff(scanned.pts) > 0)
