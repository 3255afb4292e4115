"""Generated videos whose frames show their own number, so that tests can identify them."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

WIDTH, HEIGHT = 320, 240


def _draw_background() -> np.ndarray:
    rng = np.random.default_rng(7)
    return cv2.GaussianBlur(rng.integers(40, 200, (HEIGHT, WIDTH, 3), dtype=np.uint8), (0, 0), 3)


_BACKGROUND = _draw_background()


def draw_number(number: int) -> np.ndarray:
    """Draw (240, 320, 3) RGB with the number's 8 bits as squares along the top; the left bottom corner is red."""
    image = np.roll(_BACKGROUND, number * 2, axis=1)
    for bit in range(8):
        image[10:50, 40 * bit : 40 * bit + 40] = 235 if number >> bit & 1 else 20
    image[-40:, :40] = (220, 20, 20)
    return image


def read_number(rgb: np.ndarray) -> int:
    """Read the number in an image of `draw_number`, at any size."""
    image = cv2.resize(rgb, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return sum(int(image[20:40, 40 * bit + 10 : 40 * bit + 30].mean() > 128) << bit for bit in range(8))


@contextmanager
def _keep_scheduling() -> Iterator[None]:
    """Restore this thread's scheduling: for root, SVT-AV1 makes the caller a real-time thread of the highest priority,
    which child processes inherit and which starves all others."""
    if not hasattr(os, "sched_setscheduler"):
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


def write_film(
    path: Path,
    images: Sequence[np.ndarray],
    *,
    codec: str = "libx264",
    rate: Fraction | int = 30,
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    pts: Sequence[int] | None = None,
    sar: Fraction | None = None,
    rotation: int = 0,
    container_options: dict[str, str] | None = None,
    full_range: bool = False,
    field_order: str | None = None,
) -> Path:
    """Encode RGB images, one thread, low loss. `pts` are in units of 1 / rate."""
    defaults = {"libx264": {"crf": "12", "preset": "veryfast"}, "libx265": {"x265-params": "log-level=none"}}
    with _keep_scheduling(), av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=defaults.get(codec, {}) | (options or {}))
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = 1 / Fraction(rate)
        if codec in ("mpeg4", "mpeg2video", "libvpx-vp9"):
            stream.bit_rate = 4_000_000
        if sar is not None:
            stream.codec_context.sample_aspect_ratio = sar
        if rotation:
            stream.set_display_rotation(rotation)
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
                format=pix_fmt, dst_color_range="JPEG" if full_range else "MPEG"
            )
            frame.pts = index if pts is None else pts[index]
            frame.time_base = 1 / Fraction(rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """film(name, number of frames or images, **write_film's options) -> path; the same name is written once."""
    folder = tmp_path_factory.mktemp("films")

    def make(name: str, frames: int | Sequence[np.ndarray], **options: object) -> Path:
        path = folder / name
        if not path.exists():
            images = [draw_number(i) for i in range(frames)] if isinstance(frames, int) else frames
            write_film(path, images, **options)
        return path

    return make


@pytest.fixture(scope="session")
def number_of() -> Callable[[np.ndarray], int]:
    return read_number


FORMATS = {
    "bframes.mp4": {"options": {"g": "20", "bf": "3"}},
    "open_gop.mp4": {"options": {"x264-params": "open-gop=1:keyint=20:min-keyint=20:bframes=3:scenecut=0"}},
    "open_gop.ts": {"options": {"x264-params": "open-gop=1:keyint=20:min-keyint=20:bframes=3:scenecut=0"}},
    "hevc_open_gop.mp4": {
        "codec": "libx265",
        "options": {"x265-params": "open-gop=1:keyint=20:min-keyint=20:bframes=3:log-level=none"},
    },
    "hevc_10bit.mkv": {"codec": "libx265", "pix_fmt": "yuv420p10le", "options": {"g": "20"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"g": "20", "cpu-used": "8", "deadline": "realtime"}},
    "av1.mkv": {"codec": "libsvtav1", "options": {"preset": "9", "crf": "15", "g": "20", "svtav1-params": "lp=1"}},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"g": "20"}},
    "mpeg4_bframes.avi": {"codec": "mpeg4", "options": {"g": "20", "bf": "2"}},
    "untimed.avi": {"options": {"g": "20", "bf": "3"}},
    "mpeg2.ts": {"codec": "mpeg2video", "options": {"g": "20", "bf": "2"}},
    "offset.mkv": {"options": {"g": "20"}, "pts": range(150, 220)},
    "yuv444.mp4": {"pix_fmt": "yuv444p", "options": {"g": "20"}},
}


@pytest.fixture(scope="session")
def formats() -> dict[str, dict]:
    return FORMATS


@pytest.fixture(scope="session", params=sorted(FORMATS))
def any_film(request: pytest.FixtureRequest, film: Callable[..., Path]) -> Path:
    """70 numbered frames with a keyframe every 20, in each of many formats."""
    return film(request.param, 70, **FORMATS[request.param])
