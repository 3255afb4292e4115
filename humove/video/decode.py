"""Exact decoding: a span of frames that were numbered once, found again by their timestamps."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from humove.video.probe import Probe, video_stream

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
                container.seek(key_pts - round(step / probe.time_base), stream=stream)
                frames = _shown_from(container, stream, key_pts)
                first = _clean(frames)
                if first is not None and first.pts == key_pts:
                    yield first
                    yield from frames
                    return
    container, stream = open_stream(path)
    with container:
        yield from _shown_from(container, stream, key_pts)


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


def decode_span(
    path: Path, probe: Probe, pts: np.ndarray, is_key: np.ndarray, start: int, end: int, timed: bool
) -> Iterator[av.VideoFrame]:
    """The frames start to end (exclusive) of a scanned video, exactly.

    `pts` (N,) and `is_key` (N,) are the scan's; with `timed` False the timestamps say nothing, so frames are counted
    from the beginning. Raises SeekError when the file's frames are not those of the scan.
    """
    keys = np.flatnonzero(is_key[: start + 1])
    key = int(keys[-1]) if timed and len(keys) else 0
    number = key
    for frame in decode_from(path, probe, int(pts[key]) if timed and key else None):
        if number >= end:
            return
        if timed and frame.pts != pts[number]:
            raise SeekError(f"{path}: frame {number} has timestamp {frame.pts}, {pts[number]} was expected")
        if number >= start:
            yield frame
        number += 1
    if number < end:
        raise SeekError(f"{path}: {number} frames could be read, {end} were expected")
