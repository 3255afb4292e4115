"""One sample to look at: its video with the body drawn over the person, and a strip of still pictures."""

import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from humove.atomic import replacing
from humove.body import Body
from humove.overlay import overlay_row
from humove.types import Sample
from humove.video.encode import EncodeConfig, encode
from shards.reader import open_dataset

_COLUMNS = 6
_STRIP_HEIGHT = 360


class _Overlaid:
    """The sample's frames with their rows drawn over them, one at a time and in order, as the encoder asks for them.

    It also keeps small pictures of `_COLUMNS` frames spread over the clip: as stored above, as annotated below.
    """

    matrix = "bt601"

    def __init__(self, sample: Sample, rgb: Iterator[np.ndarray]) -> None:
        self._sample, self._rgb, self._body = sample, rgb, Body.load()
        self._at = 0
        self.fps = Fraction(sample.meta["fps"])
        self.width, self.height = sample.meta["width"], sample.meta["height"]
        self.source_frames = sample.motion.source_frames
        count = len(self.source_frames)
        self._shown = set(np.linspace(0, count - 1, min(_COLUMNS, count)).round().astype(int).tolist())
        self.strip: list[np.ndarray] = []

    def __len__(self) -> int:
        return len(self.source_frames)

    def rgb(self, index: int) -> np.ndarray:
        if index != self._at:
            raise ValueError(f"frame {index} asked for, {self._at} is next")
        plain = next(self._rgb)
        drawn = draw_row(self._sample, index, plain, self._body)
        if index in self._shown:
            size = (max(1, round(self.width * _STRIP_HEIGHT / self.height)), _STRIP_HEIGHT)
            both = [cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in (plain, drawn)]
            self.strip.append(np.concatenate(both))
        self._at += 1
        return drawn

    def yuv(self, index: int) -> np.ndarray:
        return cv2.cvtColor(self.rgb(index), cv2.COLOR_RGB2YUV_I420)


def inspect(path: str, key: str, out_folder: Path) -> tuple[Path, Path]:
    """Writes `{key}.mp4` (every frame, annotated) and `{key}.png` (six of them, plain above annotated) of a sample of
    the data set at `path`, a folder or an address.

    Returns both paths. Raises UserError for a key that the data set does not have.
    """
    sample = open_dataset(path).get(key)
    out_folder.mkdir(parents=True, exist_ok=True)
    video, picture = out_folder / f"{key}.mp4", out_folder / f"{key}.png"
    with av.open(io.BytesIO(sample.mp4), format="mp4") as box:
        frames = _Overlaid(sample, (frame.to_ndarray(format="rgb24") for frame in box.decode(video=0)))
        size = (frames.width, frames.height)
        with replacing(video) as temporary:
            encode(frames, (0, 0, *size), *size, temporary, EncodeConfig())
    _, png = cv2.imencode(".png", cv2.cvtColor(np.concatenate(frames.strip, axis=1), cv2.COLOR_RGB2BGR))
    with replacing(picture) as temporary:
        temporary.write_bytes(png.tobytes())
    return video, picture


def draw_row(sample: Sample, index: int, frame_rgb: np.ndarray, body: Body) -> np.ndarray:
    """Row `index` of the sample over its frame (H, W, 3) uint8 RGB, as a new picture."""
    return overlay_row(frame_rgb, body, sample.motion, sample.pose2d, index)
