"""Properties of a video file's stream, as displayed."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from humove.reasons import Reason
from humove.stage import Reject

_STANDARD_RATES = tuple(
    Fraction(rate)
    for rate in ("10", "12", "15", "24000/1001", "24", "25", "30000/1001", "30", "48", "50", "60000/1001", "60",
                 "100", "120000/1001", "120", "240000/1001", "240")
)  # fmt: skip
_SNAP = Fraction(3, 10000)  # 30 and 30000/1001 are 10 / 10000 apart
_MATRIX_BT709, _MATRIX_RGB, _MATRICES_BT601 = 1, 0, (4, 5, 6)
_FULL_RANGE = 2
_FOCAL_KEY = "com.apple.quicktime.camera.focal_length.35mm_equivalent"
_FOCALS_MM = (8.0, 600.0)
_MAX_PACKETS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Properties of a file's video stream. `width` and `height` are px as displayed: sample aspect ratio, then rotation
    applied."""

    width: int
    height: int
    fps: Fraction
    """Nominal rate: the timestamps' grid, not the average over dropped frames."""
    codec: str
    container: str
    coded_width: int
    coded_height: int
    sar: Fraction
    """Width of a pixel over its height."""
    rotation: int
    """Degrees counter-clockwise by which a stored frame is rotated for display: 0, 90, 180 or 270."""
    interlaced: bool
    full_range: bool
    matrix: str
    """The matrix from YUV to RGB: "bt709", "bt601" or "other" (frames are then converted to bt709)."""
    time_base: Fraction
    """Seconds per unit of pts."""
    promised_frames: int
    """Number of frames in the header; 0 if missing."""
    duration_s: float
    """Duration in the header; 0 if missing."""
    focal_35mm: float
    """Focal length of the lens in mm, 35 mm equivalent; 0 if the header has none."""


def compute_nominal_fps(base: Fraction | None, average: Fraction | None) -> Fraction:
    """Compute the nominal rate from libav's r_frame_rate and average rate (frames / s).

    The base rate is right for jittered and dropped frames; if it is far above the average, it is the clock of the
    timestamps (90 kHz, fields), and the average is closer.
    """
    if average is not None and average <= 0:
        average = None
    if base is None or not 1 <= base <= 480 or (average is not None and base > average * Fraction(7, 4)):
        base = None
    rate = base or average or Fraction(25)
    nearest = min(_STANDARD_RATES, key=lambda standard: abs(standard - rate))
    if abs(nearest - rate) <= nearest * _SNAP:
        return nearest
    return rate.limit_denominator(1001)


def find_video_stream(container: av.container.InputContainer) -> av.video.stream.VideoStream | None:
    """Return the first stream that is no cover image, set to one decoding thread."""
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            stream.codec_context.thread_type = "NONE"
            stream.codec_context.thread_count = 1
            return stream
    return None


def _decode_first_frame(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream
) -> av.VideoFrame | None:
    for packets, packet in enumerate(container.demux(stream)):
        try:
            for frame in packet.decode():
                return frame
        except av.FFmpegError:
            pass  # the scan decides whether a broken packet matters
        if packets > _MAX_PACKETS:
            break
    return None


def _compute_display_size(width: int, height: int, sar: Fraction, rotation: int) -> tuple[int, int]:
    width = max(1, round(width * sar))
    return (height, width) if rotation % 180 else (width, height)


def _read_focal_35mm(metadata: dict[str, str]) -> float:
    """Read the focal length that phone cameras write; 0 if it is missing or implausible."""
    try:
        focal = float(metadata.get(_FOCAL_KEY, "0"))
    except ValueError:
        return 0.0
    return focal if _FOCALS_MM[0] <= focal <= _FOCALS_MM[1] else 0.0


def probe_video(path: Path) -> Probe | Reject:
    """Read a file's header and first frame.

    Rejects a file that is no video as `unreadable`, one with only sound or a still image as `no_video_stream`, and one
    that yields no frame as `damaged`. A missing path raises FileNotFoundError.
    """
    if path.stat().st_size == 0:
        return Reject(reason=Reason.UNREADABLE, detail="the file is empty (0 bytes)")
    try:
        with av.open(str(path)) as container:
            return _probe_container(container)
    except av.FFmpegError as error:
        log = error.log[2].strip() if error.log else ""
        return Reject(reason=Reason.UNREADABLE, detail=f"not a readable video file: {log or error.strerror}")


def _probe_container(container: av.container.InputContainer) -> Probe | Reject:
    kind = container.format.name
    if kind == "tty":
        return Reject(reason=Reason.UNREADABLE, detail="not a video file: text")
    stream = find_video_stream(container)
    if not (container.streams.video or container.streams.audio):
        return Reject(
            reason=Reason.UNREADABLE, detail=f"a broken {kind} file: it has neither a video nor an audio stream"
        )
    if stream is None:
        return Reject(reason=Reason.NO_VIDEO_STREAM, detail=f"no video stream in this {kind} file")
    codec = stream.codec_context
    if kind == "image2" or kind.endswith("_pipe"):
        return Reject(reason=Reason.NO_VIDEO_STREAM, detail=f"a still image ({codec.name}), not a video")
    if codec.width < 1 or codec.height < 1:
        return Reject(reason=Reason.UNREADABLE, detail=f"the {codec.name} stream has no frame size")
    # Side data (the rotation) and the field flags are set on a decoded frame.
    stated = Fraction(stream.sample_aspect_ratio or 1)
    base, average, order = stream.base_rate, stream.average_rate, int(codec.field_order)
    time_base, promised, duration = stream.time_base, stream.frames, container.duration
    frame = _decode_first_frame(container, stream)
    if frame is None:
        return Reject(reason=Reason.DAMAGED, detail=f"no frame of the {codec.name} stream can be decoded")
    sar = stated if Fraction(1, 8) <= stated <= 8 else Fraction(1)
    rotation = round(frame.rotation / 90) * 90 % 360
    matrix = int(frame.colorspace)
    if matrix == _MATRIX_BT709:
        name = "bt709"
    elif matrix in _MATRICES_BT601:
        name = "bt601"
    elif matrix == 2:  # unspecified: as players do
        name = "bt709" if codec.height > 576 else "bt601"
    else:
        name = "other"
    width, height = _compute_display_size(codec.width, codec.height, sar, rotation)
    return Probe(
        width=width,
        height=height,
        fps=compute_nominal_fps(base, average),
        codec=codec.name,
        container=kind,
        coded_width=codec.width,
        coded_height=codec.height,
        sar=sar,
        rotation=rotation,
        interlaced=bool(frame.interlaced_frame) or order > 1,
        full_range=int(frame.color_range) == _FULL_RANGE or frame.format.name.startswith("yuvj"),
        matrix=name,
        time_base=Fraction(time_base),
        promised_frames=promised,
        duration_s=(duration or 0) / av.time_base,
        focal_35mm=_read_focal_35mm({**container.metadata, **stream.metadata}),
    )
