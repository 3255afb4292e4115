"""Exact decoding of spans of frames, identified by the timestamps of a scan."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import av

from humove.video.probe import Probe, find_video_stream
from humove.video.span import ScanSpan

SPLITTABLE = ("mov", "matroska")
"""Containers whose keyframe flags guarantee that decoding from there is exact."""
_STEPS_BACK_S = (0.0, 2.0, 10.0)
"""Seconds before a keyframe's time that successive seeks aim at: containers without an index seek by decoding time."""


class SeekError(RuntimeError):
    """The requested frames were not found: the file is not the one that was scanned."""


def open_stream(path: Path) -> tuple[av.container.InputContainer, av.video.stream.VideoStream]:
    """Open a file's video stream; the caller closes the container."""
    container = av.open(str(path))
    stream = find_video_stream(container)
    if stream is None:
        container.close()
        raise SeekError(f"{path}: no video stream")
    return container, stream


def decode_from(path: Path, probe: Probe, key_pts: int | None) -> Iterator[av.VideoFrame]:
    """Decode frames in display order from the keyframe at `key_pts` (None: from the first frame of the file).

    Frames displayed before the keyframe are left out, such as those of an open GOP. A seek is accepted only if it
    yields the keyframe itself; else decoding starts further back, at last from the beginning.
    """
    if key_pts is not None:
        for step in _STEPS_BACK_S:
            container, stream = open_stream(path)
            with container:
                frames = _seek_keyframe(container, stream, probe, key_pts, step)
                if frames is not None:
                    yield from frames
                    return
    container, stream = open_stream(path)
    with container:
        yield from _decode_from_pts(container, stream, key_pts)


def _seek_keyframe(
    container: av.container.InputContainer,
    stream: av.video.stream.VideoStream,
    probe: Probe,
    key_pts: int,
    step: float,
) -> Iterator[av.VideoFrame] | None:
    """Decode from `step` seconds before the keyframe at `key_pts`; None if the first frame is not that keyframe."""
    container.seek(key_pts - round(step / probe.time_base), stream=stream)
    frames = _decode_from_pts(container, stream, key_pts)
    first = _read_first_frame(frames)
    return chain((first,), frames) if first is not None and first.pts == key_pts else None


def _decode_from_pts(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream, key_pts: int | None
) -> Iterator[av.VideoFrame]:
    for frame in container.decode(stream):
        if key_pts is None or (frame.pts is not None and frame.pts >= key_pts):
            yield frame


def _read_first_frame(frames: Iterator[av.VideoFrame]) -> av.VideoFrame | None:
    try:
        return next(frames, None)
    except av.FFmpegError:  # a seek into the middle of a GOP
        return None


@dataclass(slots=True, kw_only=True)
class _DecodeRun:
    """Decoding in progress."""

    container: av.container.InputContainer
    source: Iterator[av.VideoFrame]
    """All frames of the decoder."""
    frames: Iterator[av.VideoFrame]
    """The remaining frames of `source`."""
    key: int
    """The keyframe that decoding started from."""
    position: int
    """The number of the next frame."""


class SpanDecoder:
    """Decodes spans of one scanned video, one after another, from files opened once. A context manager.

    Spans in ascending order continue the previous decoding where that yields the same frames as a new start. A file
    without timestamps, or without working seeks, is thus decoded once for all its spans; a span before the last one
    restarts from the file's beginning.
    """

    def __init__(self, path: Path, probe: Probe) -> None:
        self.path = path
        self.probe = probe
        self._seekable: tuple[av.container.InputContainer, av.video.stream.VideoStream] | None = None
        self._seeked: _DecodeRun | None = None
        self._from_start: _DecodeRun | None = None

    def decode(self, span: ScanSpan, start: int, end: int) -> Iterator[av.VideoFrame]:
        """Decode exactly the frames start to end (exclusive); `span` covers them.

        SeekError if the file's frames are not those of the scan. Exhaust the iterator before the next call.
        """
        span.get_timestamps(start, end)
        run = self._find_run(span, start)
        try:
            while run.position < end:
                frame = next(run.frames, None)
                if frame is None:
                    raise SeekError(f"{self.path}: {run.position} frames could be read, expected {end}")
                number = run.position
                if span.timed and number >= span.first_frame:
                    expected = span.pts[number - span.first_frame]
                    if frame.pts != expected:
                        raise SeekError(f"{self.path}: frame {number} has timestamp {frame.pts}, expected {expected}")
                run.position += 1
                if number >= start:
                    yield frame
        except (SeekError, av.FFmpegError):
            self.close()
            raise

    def close(self) -> None:
        """Close the files. A later span opens them again."""
        self._drop_from_start()
        self._seeked = None
        if self._seekable is not None:
            self._seekable[0].close()
            self._seekable = None

    def __enter__(self) -> "SpanDecoder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _find_run(self, span: ScanSpan, start: int) -> _DecodeRun:
        """Find or start a run that yields frame `start` next, or reaches it no later than from its keyframe."""
        key = span.find_key_before(start)
        for run in (self._seeked, self._from_start):
            if run is not None and run.position <= start and self._can_continue(run, key):
                return run
        self._seeked = None
        if key:
            self._seeked = self._seek_run(key, int(span.pts[key - span.first_frame]))
            if self._seeked is not None:
                if self._from_start is not None and self._from_start.key == 0:
                    self._drop_from_start()  # only the video's first clips needed it
                return self._seeked
        return self._run_from_start(span, start, key)

    def _can_continue(self, run: _DecodeRun, key: int) -> bool:
        """Tell whether this run yields what a start at `key` yields: it started there, or passes it in a container
        whose keyframes depend on nothing before them."""
        return run.key == key or (key <= run.position and self.probe.container.startswith(SPLITTABLE))

    def _seek_run(self, key: int, key_pts: int) -> _DecodeRun | None:
        if self._seekable is None:
            self._seekable = open_stream(self.path)
        for step in _STEPS_BACK_S:
            frames = _seek_keyframe(*self._seekable, self.probe, key_pts, step)
            if frames is not None:
                return _DecodeRun(container=self._seekable[0], source=frames, frames=frames, key=key, position=key)
        return None

    def _run_from_start(self, span: ScanSpan, start: int, key: int) -> _DecodeRun:
        """Decode from the file's beginning, or continue such a run that has not passed `key`."""
        run = self._from_start
        if run is None or run.position > start:
            self._drop_from_start()
            container, stream = open_stream(self.path)
            frames = _decode_from_pts(container, stream, None)
            run = self._from_start = _DecodeRun(container=container, source=frames, frames=frames, key=key, position=0)
        if run.position < key:
            key_pts = int(span.pts[key - span.first_frame])
            run.frames = _skip_to_pts(run.source, key_pts)
            run.position = key
        run.key = key
        return run

    def _drop_from_start(self) -> None:
        if self._from_start is not None:
            self._from_start.container.close()
            self._from_start = None


def _skip_to_pts(frames: Iterator[av.VideoFrame], pts: int) -> Iterator[av.VideoFrame]:
    return (frame for frame in frames if frame.pts is not None and frame.pts >= pts)
