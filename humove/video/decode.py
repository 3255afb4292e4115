"""Exact decoding: a span of frames that were numbered once, found again by their timestamps."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import av

from humove.video.probe import Probe, video_stream
from humove.video.span import ScanSpan

SPLITTABLE = ("mov", "matroska")
"""Containers whose keyframe marks mean that decoding from there is exact."""
_STEPS_BACK_S = (0.0, 2.0, 10.0)
"""How far before a keyframe's own time a seek aims, in turn. Containers without an index look by decoding time."""


class SeekError(RuntimeError):
    """The frames asked for did not come: the file is not the one that was scanned."""


def open_stream(path: Path) -> tuple[av.container.InputContainer, av.video.stream.VideoStream]:
    """The caller closes the container."""
    container = av.open(str(path))
    stream = video_stream(container)
    if stream is None:
        container.close()
        raise SeekError(f"{path}: no video stream")
    return container, stream


def decode_from(path: Path, probe: Probe, key_pts: int | None) -> Iterator[av.VideoFrame]:
    """Frames in order of display from the keyframe at `key_pts` on (None: from the first frame of the file).

    Frames shown before the keyframe are left out, such as those of an open group of pictures. Decoding from a seek is
    trusted only when the keyframe itself comes out; else it starts further back, at last from the beginning.
    """
    if key_pts is not None:
        for step in _STEPS_BACK_S:
            container, stream = open_stream(path)
            with container:
                frames = _seek(container, stream, probe, key_pts, step)
                if frames is not None:
                    yield from frames
                    return
    container, stream = open_stream(path)
    with container:
        yield from _shown_from(container, stream, key_pts)


def _seek(
    container: av.container.InputContainer,
    stream: av.video.stream.VideoStream,
    probe: Probe,
    key_pts: int,
    step: float,
) -> Iterator[av.VideoFrame] | None:
    """The frames from the keyframe at `key_pts` on, decoded from `step` seconds before it; None where it is missed."""
    container.seek(key_pts - round(step / probe.time_base), stream=stream)
    frames = _shown_from(container, stream, key_pts)
    first = _clean(frames)
    return chain((first,), frames) if first is not None and first.pts == key_pts else None


def _shown_from(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream, key_pts: int | None
) -> Iterator[av.VideoFrame]:
    for frame in container.decode(stream):
        if key_pts is None or (frame.pts is not None and frame.pts >= key_pts):
            yield frame


def _clean(frames: Iterator[av.VideoFrame]) -> av.VideoFrame | None:
    try:
        return next(frames, None)
    except av.FFmpegError:  # a seek into the middle of a group of pictures
        return None


@dataclass(slots=True, kw_only=True)
class _Run:
    """Decoding in progress."""

    container: av.container.InputContainer
    source: Iterator[av.VideoFrame]
    """All that the decoder gives."""
    frames: Iterator[av.VideoFrame]
    """What is left of `source`."""
    key: int
    """The key frame that decoding was started for."""
    position: int
    """The number of the frame that comes next."""


class SpanDecoder:
    """Decodes spans of one scanned video, one after another, from files opened once. A context manager.

    Spans in ascending order continue the decoding of the span before where that gives the same frames as starting
    anew. A file without timestamps, or one that no seek works in, is then decoded once for all of its spans; a span
    that lies before the one decoded last starts from the file's beginning.
    """

    def __init__(self, path: Path, probe: Probe) -> None:
        self.path = path
        self.probe = probe
        self._seekable: tuple[av.container.InputContainer, av.video.stream.VideoStream] | None = None
        self._seeked: _Run | None = None
        self._from_start: _Run | None = None

    def decode(self, span: ScanSpan, start: int, end: int) -> Iterator[av.VideoFrame]:
        """The frames start to end (exclusive), exactly; `span` holds them.

        Raises SeekError when the file's frames are not those of the scan. To be used up before the next call.
        """
        span.timestamps(start, end)
        run = self._run(span, start)
        try:
            while run.position < end:
                frame = next(run.frames, None)
                if frame is None:
                    raise SeekError(f"{self.path}: {run.position} frames could be read, {end} were expected")
                number = run.position
                if span.timed and number >= span.first_frame:
                    expected = span.pts[number - span.first_frame]
                    if frame.pts != expected:
                        raise SeekError(
                            f"{self.path}: frame {number} has timestamp {frame.pts}, {expected} was expected"
                        )
                run.position += 1
                if number >= start:
                    yield frame
        except (SeekError, av.FFmpegError):
            self.close()
            raise

    def close(self) -> None:
        """Closes the files. A later span opens them again."""
        self._drop_from_start()
        self._seeked = None
        if self._seekable is not None:
            self._seekable[0].close()
            self._seekable = None

    def __enter__(self) -> "SpanDecoder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, span: ScanSpan, start: int) -> _Run:
        """Decoding that gives frame `start` next, or comes to it by no longer way than from the key frame before."""
        key = span.key_before(start)
        for run in (self._seeked, self._from_start):
            if run is not None and run.position <= start and self._continues(run, key):
                return run
        self._seeked = None
        if key:
            self._seeked = self._seek(key, int(span.pts[key - span.first_frame]))
            if self._seeked is not None:
                if self._from_start is not None and self._from_start.key == 0:
                    self._drop_from_start()  # the video's first clips needed it, not the later ones
                return self._seeked
        return self._restart(span, start, key)

    def _continues(self, run: _Run, key: int) -> bool:
        """Whether this run gives what starting at `key` gives: it started there, or passes it where such a key frame
        is known to depend on nothing before it."""
        return run.key == key or (key <= run.position and self.probe.container.startswith(SPLITTABLE))

    def _seek(self, key: int, key_pts: int) -> _Run | None:
        if self._seekable is None:
            self._seekable = open_stream(self.path)
        for step in _STEPS_BACK_S:
            frames = _seek(*self._seekable, self.probe, key_pts, step)
            if frames is not None:
                return _Run(container=self._seekable[0], source=frames, frames=frames, key=key, position=key)
        return None

    def _restart(self, span: ScanSpan, start: int, key: int) -> _Run:
        """Decoding from the file's beginning, continued where it has not passed `key`."""
        run = self._from_start
        if run is None or run.position > start:
            self._drop_from_start()
            container, stream = open_stream(self.path)
            frames = _shown_from(container, stream, None)
            run = self._from_start = _Run(container=container, source=frames, frames=frames, key=key, position=0)
        if run.position < key:
            key_pts = int(span.pts[key - span.first_frame])
            run.frames = _from_pts(run.source, key_pts)
            run.position = key
        run.key = key
        return run

    def _drop_from_start(self) -> None:
        if self._from_start is not None:
            self._from_start.container.close()
            self._from_start = None


def _from_pts(frames: Iterator[av.VideoFrame], pts: int) -> Iterator[av.VideoFrame]:
    return (frame for frame in frames if frame.pts is not None and frame.pts >= pts)
