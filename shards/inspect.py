"""Draw a sample's body over its video, and a strip of still frames."""

import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from humove.drawing.overlay import draw_overlay_row
from humove.motion.body import Body
from humove.storage.atomic import replace_atomically
from humove.types import Sample
from humove.video.encode import EncodeConfig, encode_clip
from shards.reader import open_dataset

_COLUMNS = 6
_STRIP_HEIGHT = 360


class _OverlayFrames:
    """A sample's frames with the annotations drawn over them, one at a time and in order, for the encoder.

    It also keeps thumbnails of `_COLUMNS` frames spread over the clip: stored above, annotated below.
    """

    matrix = "bt601"

    def __init__(self, sample: Sample, rgb: Iterator[np.ndarray]) -> None:
        self._sample, self._rgb, self._body = sample, rgb, Body.load()
        self._next = 0
        self.fps = Fraction(sample.meta["fps"])
        self.width, self.height = sample.meta["width"], sample.meta["height"]
        self.source_frames = sample.motion.source_frames
        count = len(self.source_frames)
        self._shown = set(np.linspace(0, count - 1, min(_COLUMNS, count)).round().astype(int).tolist())
        self.strip: list[np.ndarray] = []

    def __len__(self) -> int:
        return len(self.source_frames)

    def read_rgb(self, index: int) -> np.ndarray:
        if index != self._next:
            raise ValueError(f"frame {index} requested, {self._next} is next")
        plain = next(self._rgb)
        drawn = draw_row(self._sample, index, plain, self._body)
        if index in self._shown:
            size = (max(1, round(self.width * _STRIP_HEIGHT / self.height)), _STRIP_HEIGHT)
            both = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in (plain, drawn)]
            self.strip.append(np.concatenate(both))
        self._next += 1
        return drawn

    def read_yuv(self, index: int) -> np.ndarray:
        return cv2.cvtColor(self.read_rgb(index), cv2.COLOR_RGB2YUV_I420)


def inspect(path: str, key: str, out_folder: Path) -> tuple[Path, Path]:
    """Write `{key}.mp4` (every frame, annotated) and `{key}.png` (six frames, stored above annotated) of a sample of
    the data set at `path`, a folder or an address.

    Returns both paths. UserError for a key that the data set does not have.
    """
    sample = open_dataset(path).get(key)
    out_folder.mkdir(parents=True, exist_ok=True)
    video, strip = out_folder / f"{key}.mp4", out_folder / f"{key}.png"
    with av.open(io.BytesIO(sample.mp4), format="mp4") as box:
        frames = _OverlayFrames(sample, (frame.to_ndarray(format="rgb24") for frame in box.decode(video=0)))
        size = (frames.width, frames.height)
        with replace_atomically(video) as temporary:
            encode_clip(frames, (0, 0, *size), *size, temporary, EncodeConfig())
    _, png = cv2.imencode(".png", cv2.cvtColor(np.concatenate(frames.strip, axis=1), cv2.COLOR_RGB2BGR))
    with replace_atomically(strip) as temporary:
        temporary.write_bytes(png.tobytes())
    return video, strip


def draw_row(sample: Sample, index: int, frame_rgb: np.ndarray, body: Body) -> np.ndarray:
    """Draw row `index` of the sample over its frame (H, W, 3) uint8 RGB; return a new image."""
    return draw_overlay_row(frame_rgb, body, sample.motion, sample.pose2d, index)
