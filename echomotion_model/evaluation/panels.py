"""Pictures to judge a sample by: what was given, what the model answered, what is true, side by side, with the body."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from humove.atomic import replacing
from humove.body import Body
from humove.camera import crop_intrinsics
from humove.painter import paint
from humove.video.encode import EncodeConfig, encode
from humove.video.frames import ArrayFrames

_LEAST_HEIGHT = 256
"""Smaller pictures are drawn larger: a body of 128 px can't be judged."""
_TITLE_HEIGHT = 24
_COLUMNS = 5
_BODY, _NOT_VALID = (70, 190, 120), (150, 150, 150)
_OPACITY = 0.6
_FLOOR = 32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PosedBody:
    """One clip's motion before its camera, as it is drawn."""

    pose: np.ndarray
    """(T, 24, 3) axis-angle in radians, the global orientation first"""
    transl: np.ndarray
    """(T, 3) m"""
    rest_joints: np.ndarray
    """(24, 3) m"""
    cam_intrinsics: np.ndarray
    """(3, 3) px of the picture"""
    valid: np.ndarray
    """(T,) bool; other frames are drawn in grey"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Panel:
    """One video of several beside each other: pictures, a body, or the body over the pictures."""

    title: str
    height: int
    width: int
    pictures: np.ndarray | None = None
    """(T, H, W, 3) uint8 RGB; None: plain grey"""
    body: PosedBody | None = None

    def drawn(self, frames: int) -> np.ndarray:
        """(T, title + H', W', 3) uint8 RGB, enlarged."""
        times = -(-_LEAST_HEIGHT // self.height) if self.height < _LEAST_HEIGHT else 1
        height, width = self.height * times, self.width * times
        if self.pictures is None:
            shown = np.full((frames, height, width, 3), _FLOOR, np.uint8)
        else:
            shown = np.stack(
                [cv2.resize(each, (width, height), interpolation=cv2.INTER_CUBIC) for each in self.pictures]
            )
        if self.body is not None:
            shown = _over(shown, self.body, (self.width, self.height), 1.0 if self.pictures is None else _OPACITY)
        return np.concatenate([np.broadcast_to(_title(self.title, width), (frames, _TITLE_HEIGHT, width, 3)), shown], 1)


def write_panels(path: Path, panels: Sequence[Panel], caption: str, frames: int, fps: int) -> tuple[Path, Path]:
    """Writes `path`.mp4, the panels side by side under the caption, and `path`.png: a row a panel, time to the right.
    OSError or EncodeError where the folder can't be written to."""
    drawn = [panel.drawn(frames) for panel in panels]
    video, strip = path.with_name(f"{path.name}.mp4"), path.with_name(f"{path.name}.png")
    beside = _captioned(np.concatenate(drawn, 2), caption)
    height, width = beside.shape[1:3]
    with replacing(video) as temporary:
        encode(
            ArrayFrames(beside, Fraction(fps)), (0, 0, width, height), width, height, temporary, EncodeConfig(crf=18)
        )  # fmt: skip
    times = np.linspace(0, frames - 1, min(_COLUMNS, frames)).round().astype(int)
    rows = [np.concatenate(list(each[times]), 1) for each in drawn]
    _, png = cv2.imencode(".png", cv2.cvtColor(_captioned(np.concatenate(rows)[None], caption)[0], cv2.COLOR_RGB2BGR))
    with replacing(strip) as temporary:
        temporary.write_bytes(png.tobytes())
    return video, strip


def _over(pictures: np.ndarray, body: PosedBody, size: tuple[int, int], opacity: float) -> np.ndarray:
    """The body over enlarged pictures; `size` is the width and height that its camera is of."""
    mesh = Body.load()
    vertices = mesh.vertices(body.pose, body.transl, rest_joints=body.rest_joints)
    height, width = pictures.shape[1:3]
    camera = crop_intrinsics(body.cam_intrinsics, (0, 0, *size), width, height)
    colors = [np.broadcast_to(np.array(each, np.float32), mesh.faces.shape) for each in (_NOT_VALID, _BODY)]
    return np.stack(
        [
            paint(each, mesh.faces, colors[bool(valid)], camera, picture, opacity=opacity)
            for each, valid, picture in zip(vertices, body.valid, pictures, strict=True)
        ]
    )


def _captioned(pictures: np.ndarray, caption: str) -> np.ndarray:
    frames, _, width, _ = pictures.shape
    bar = np.broadcast_to(_title(caption, width), (frames, _TITLE_HEIGHT, width, 3))
    return np.concatenate([bar, pictures], 1)


def _title(text: str, width: int) -> np.ndarray:
    """(title, width, 3) uint8: one line of text, cut at the end; the font knows ASCII alone."""
    bar = np.full((_TITLE_HEIGHT, width, 3), 245, np.uint8)
    plain = " ".join(text.split()).encode("ascii", "replace").decode()
    cv2.putText(bar, plain, (5, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (20, 20, 20), 1, cv2.LINE_AA)
    return bar
