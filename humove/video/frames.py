"""Random access to the frames of one clip, with bounded memory."""

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from io import FileIO
from pathlib import Path
from typing import Protocol

import av
import cv2
import numpy as np

from humove.video.decode import SeekError, SpanDecoder
from humove.video.probe import Probe
from humove.video.scan import Scan
from humove.video.span import ScanSpan
from humove.video.timeline import compute_output_rate, map_output_frames


class Frames(Protocol):
    """A clip's frames as annotators read them: upright, square pixels, uncropped, at a constant rate."""

    fps: Fraction
    width: int
    height: int
    matrix: str
    """The matrix from YUV to RGB: "bt709" or "bt601", limited range."""
    source_frames: np.ndarray
    """(N,) int64: the source video's frame that each one shows."""

    def __len__(self) -> int: ...

    def read_rgb(self, index: int) -> np.ndarray:
        """Return (height, width, 3) uint8."""

    def read_yuv(self, index: int) -> np.ndarray:
        """Return (height * 3 / 2, width) uint8: the concatenated planes of yuv420p."""


def compute_working_size(probe: Probe, max_short_side: int) -> tuple[int, int]:
    """Compute the (width, height) of working frames: as displayed, even, the short side at most `max_short_side`."""
    shrink = min(1.0, max_short_side / min(probe.width, probe.height))
    return tuple(max(2, round(side * shrink) // 2 * 2) for side in (probe.width, probe.height))


class ClipFrames:
    """The frames [start_frame, end_frame) of a scanned video, decoded once; the first `max_bytes` of them are held in
    memory, the others in a file in `scratch`.

    Rotation and sample aspect ratio are applied, interlaced frames deinterlaced, ten bits reduced to eight, a variable
    rate made constant and rates above 60 fps halved. `source` is the file, or a decoder of it that serves several
    clips in turn. A context manager: leaving it frees memory and file. SeekError if the file is not the scanned one.
    """

    def __init__(
        self,
        source: Path | SpanDecoder,
        *,
        probe: Probe,
        scan: Scan | ScanSpan,
        start_frame: int,
        end_frame: int,
        scratch: Path,
        max_short_side: int = 1080,
        max_bytes: int = 512 << 20,
    ) -> None:
        span = scan if isinstance(scan, ScanSpan) else scan.cut(start_frame, end_frame)
        self.fps = compute_output_rate(probe.fps)
        self.width, self.height = compute_working_size(probe, max_short_side)
        self.matrix = "bt709" if probe.matrix == "other" else probe.matrix
        shown = map_output_frames(span.get_timestamps(start_frame, end_frame), probe.time_base, probe.fps)
        self.source_frames = shown + start_frame
        stored, self._slots = np.unique(shown, return_inverse=True)
        self._stored = _FrameStore(len(stored), self.width * self.height * 3 // 2, max_bytes, scratch)
        try:
            with ExitStack() as stack:
                own = not isinstance(source, SpanDecoder)
                decoder = stack.enter_context(SpanDecoder(source, probe)) if own else source
                decoded = decoder.decode(span, start_frame, end_frame)
                wanted = set(stored.tolist())
                for index, frame in enumerate(_convert_frames(decoded, probe, self.width, self.height)):
                    if index in wanted:
                        self._stored.append(frame)
            if self._stored.count != len(stored):
                raise SeekError(f"{decoder.path}: {self._stored.count} of {len(stored)} frames could be read")
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self.source_frames)

    def read_yuv(self, index: int) -> np.ndarray:
        return self._stored.read(int(self._slots[index])).reshape(self.height * 3 // 2, self.width)

    def read_rgb(self, index: int) -> np.ndarray:
        return yuv_to_rgb(self.read_yuv(index), self.matrix)

    def close(self) -> None:
        self._stored.close()

    def __enter__(self) -> "ClipFrames":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _FrameStore:
    """Frames of one size, appended one by one: the first ones in memory, the others in a file."""

    def __init__(self, capacity: int, frame_bytes: int, max_bytes: int, scratch: Path) -> None:
        self.count = 0
        self._bytes = frame_bytes
        self._memory = np.empty((min(capacity, max_bytes // frame_bytes), frame_bytes), np.uint8)
        self._held = len(self._memory)
        self._file: FileIO | None = None
        if self._held < capacity:
            self._file = tempfile.TemporaryFile(dir=scratch, prefix="clip-", buffering=0)  # noqa: SIM115

    def append(self, frame: av.VideoFrame) -> None:
        """Append the planes without the padding of their rows."""
        planes = [
            np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
            for plane in frame.planes
        ]
        if self.count < self._held:
            at = 0
            for plane in planes:
                self._memory[self.count, at : at + plane.size].reshape(plane.shape)[:] = plane
                at += plane.size
        else:
            pieces = [np.ascontiguousarray(plane) for plane in planes]
            if os.writev(self._file.fileno(), pieces) != self._bytes:
                raise OSError(errno.ENOSPC, "a frame was only partly written: is the scratch folder full?")
        self.count += 1

    def read(self, index: int) -> np.ndarray:
        """Return (frame_bytes,) uint8, read-only."""
        if self._memory is None:
            raise ValueError("the clip's frames are closed")
        if index < self._held:
            frame = self._memory[index]
            frame.flags.writeable = False
            return frame
        return np.frombuffer(os.pread(self._file.fileno(), self._bytes, (index - self._held) * self._bytes), np.uint8)

    def close(self) -> None:
        self._memory = None
        if self._file is not None:
            self._file.close()


class ArrayFrames:
    """Frames in memory, for tests and short clips."""

    def __init__(
        self, rgb: Sequence[np.ndarray] | np.ndarray, fps: Fraction | int, source_frames: np.ndarray | None = None
    ) -> None:
        self._rgb = [np.ascontiguousarray(image, dtype=np.uint8) for image in rgb]
        self.fps = Fraction(fps)
        self.height, self.width = self._rgb[0].shape[:2]
        if self.height % 2 or self.width % 2:
            raise ValueError(f"{self.width}x{self.height}: width and height must be even")
        self.matrix = "bt601"
        self.source_frames = np.arange(len(self._rgb)) if source_frames is None else np.asarray(source_frames, np.int64)

    def __len__(self) -> int:
        return len(self._rgb)

    def read_rgb(self, index: int) -> np.ndarray:
        return self._rgb[index]

    def read_yuv(self, index: int) -> np.ndarray:
        return cv2.cvtColor(self._rgb[index], cv2.COLOR_RGB2YUV_I420)

    def close(self) -> None:
        pass

    def __enter__(self) -> "ArrayFrames":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def yuv_to_rgb(yuv: np.ndarray, matrix: str) -> np.ndarray:
    """Convert (H * 3 / 2, W) uint8 planes of limited-range yuv420p to (H, W, 3) uint8 RGB."""
    frame = av.VideoFrame.from_ndarray(yuv, format="yuv420p")
    space = "ITU709" if matrix == "bt709" else "ITU601"
    return frame.reformat(format="rgb24", src_colorspace=space, dst_colorspace=space).to_ndarray()


def _choose_filters(frame: av.VideoFrame, probe: Probe, width: int, height: int) -> list[tuple[str, str]]:
    """Choose the libavfilter chain from decoded to working frames, as (name, arguments); empty if none is needed."""
    if probe.rotation % 180:
        width, height = height, width
    chain: list[tuple[str, str]] = []
    if probe.interlaced:
        chain.append(("bwdif", "mode=send_frame:parity=auto:deint=interlaced"))
    odd = (frame.width - width, frame.height - height)
    same = odd == (0, 0)
    cut = not same and min(odd) >= 0 and max(odd) <= 1 and probe.sar == 1
    right = frame.format.name == "yuv420p" and not probe.full_range and probe.matrix != "other"
    if not right or not (same or cut):
        size = (frame.width, frame.height) if same or cut else (width, height)
        args = f"w={size[0]}:h={size[1]}:flags=bicubic+accurate_rnd+full_chroma_int:out_range=limited"
        if not frame.format.name.startswith(("rgb", "bgr", "gbr", "pal")):
            args += f":in_range={'full' if probe.full_range else 'limited'}"
        if probe.matrix == "other":
            args += ":out_color_matrix=bt709"
        chain += [("scale", args), ("format", "yuv420p")]
    if cut:
        chain.append(("crop", f"w={width}:h={height}:x=0:y=0"))
    turn = {90: [("transpose", "cclock")], 180: [("hflip", ""), ("vflip", "")], 270: [("transpose", "clock")]}
    return chain + turn.get(probe.rotation, [])


def _convert_frames(frames: Iterable[av.VideoFrame], probe: Probe, width: int, height: int) -> Iterator[av.VideoFrame]:
    """Convert each decoded frame to yuv420p of width x height, upright."""
    graph = None
    kind = None
    for frame in frames:
        if kind != (now := (frame.width, frame.height, frame.format.name)):
            if graph is not None:
                yield from _drain_graph(graph)
            kind, graph = now, _build_graph(frame, _choose_filters(frame, probe, width, height), probe)
        if graph is None:
            yield frame
            continue
        graph.vpush(frame)
        yield from _pull_frames(graph)
    if graph is not None:
        yield from _drain_graph(graph)


def _build_graph(frame: av.VideoFrame, chain: list[tuple[str, str]], probe: Probe) -> av.filter.Graph | None:
    if not chain:
        return None
    graph = av.filter.Graph()
    graph.threads = 1
    nodes = [
        graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=probe.time_base),
        *(graph.add(name, args) if args else graph.add(name) for name, args in chain),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*nodes)
    graph.configure()
    return graph


def _pull_frames(graph: av.filter.Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            yield graph.vpull()
        except (av.BlockingIOError, av.EOFError):
            return


def _drain_graph(graph: av.filter.Graph) -> Iterator[av.VideoFrame]:
    graph.vpush(None)
    yield from _pull_frames(graph)
