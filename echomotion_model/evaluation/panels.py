"""Panels for the inspection of a sample: input, output and ground truth side by side, with the body."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from humove.drawing.painter import paint_mesh
from humove.motion.body import Body
from humove.motion.camera import crop_intrinsics
from humove.storage.atomic import replace_atomically
from humove.video.encode import EncodeConfig, encode_clip
from humove.video.frames import ArrayFrames

_LEAST_HEIGHT = 256
"""Smaller frames are enlarged: a body of 128 px is too small to judge."""
_TITLE_HEIGHT = 24
_COLUMNS = 5
_BODY, _NOT_VALID = (70, 190, 120), (150, 150, 150)
_OPACITY = 0.6
_FLOOR = 32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PosedBody:
    """One clip's motion and camera, for drawing."""

    pose: np.ndarray
    """(T, 24, 3) axis-angle in radians, the global orientation first"""
    transl: np.ndarray
    """(T, 3) m"""
    rest_joints: np.ndarray
    """(24, 3) m"""
    cam_intrinsics: np.ndarray
    """(3, 3) px of the frames"""
    valid: np.ndarray
    """(T,) bool; other frames are drawn in grey"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Panel:
    """One of several videos side by side: video frames, a body, or the body over the frames."""

    title: str
    height: int
    width: int
    video: np.ndarray | None = None
    """(T, H, W, 3) uint8 RGB; None: plain grey"""
    body: PosedBody | None = None

    def draw(self, frames: int) -> np.ndarray:
        """Draw (T, title + H', W', 3) uint8 RGB, enlarged."""
        scale = -(-_LEAST_HEIGHT // self.height) if self.height < _LEAST_HEIGHT else 1
        height, width = self.height * scale, self.width * scale
        if self.video is None:
            drawn = np.full((frames, height, width, 3), _FLOOR, np.uint8)
        else:
            drawn = np.stack([cv2.resize(each, (width, height), interpolation=cv2.INTER_CUBIC) for each in self.video])
        if self.body is not None:
            drawn = _draw_body(drawn, self.body, (self.width, self.height), 1.0 if self.video is None else _OPACITY)
        return np.concatenate(
            [np.broadcast_to(_draw_title(self.title, width), (frames, _TITLE_HEIGHT, width, 3)), drawn], 1
        )


def write_panels(path: Path, panels: Sequence[Panel], caption: str, frames: int, fps: int) -> tuple[Path, Path]:
    """Write `path`.mp4, the panels side by side under the caption, and `path`.png: one row per panel, time rightwards.
    OSError or EncodeError if the folder is not writable."""
    drawn = [panel.draw(frames) for panel in panels]
    video, strip = path.with_name(f"{path.name}.mp4"), path.with_name(f"{path.name}.png")
    beside = _add_caption(np.concatenate(drawn, 2), caption)
    height, width = beside.shape[1:3]
    with replace_atomically(video) as temporary:
        encode_clip(
            ArrayFrames(beside, Fraction(fps)), (0, 0, width, height), width, height, temporary, EncodeConfig(crf=18)
        )  # fmt: skip
    times = np.linspace(0, frames - 1, min(_COLUMNS, frames)).round().astype(int)
    rows = [np.concatenate(list(each[times]), 1) for each in drawn]
    _, png = cv2.imencode(".png", cv2.cvtColor(_add_caption(np.concatenate(rows)[None], caption)[0], cv2.COLOR_RGB2BGR))
    with replace_atomically(strip) as temporary:
        temporary.write_bytes(png.tobytes())
    return video, strip


def _draw_body(video: np.ndarray, body: PosedBody, size: tuple[int, int], opacity: float) -> np.ndarray:
    """Draw the body over enlarged frames; `size`: the width and height of its camera."""
    mesh = Body.load()
    vertices = mesh.compute_vertices(body.pose, body.transl, rest_joints=body.rest_joints)
    height, width = video.shape[1:3]
    camera = crop_intrinsics(body.cam_intrinsics, (0, 0, *size), width, height)
    colors = [np.broadcast_to(np.array(each, np.float32), mesh.faces.shape) for each in (_NOT_VALID, _BODY)]
    return np.stack(
        [
            paint_mesh(each, mesh.faces, colors[bool(valid)], camera, frame, opacity=opacity)
            for each, valid, frame in zip(vertices, body.valid, video, strict=True)
        ]
    )


def _add_caption(video: np.ndarray, caption: str) -> np.ndarray:
    frames, _, width, _ = video.shape
    bar = np.broadcast_to(_draw_title(caption, width), (frames, _TITLE_HEIGHT, width, 3))
    return np.concatenate([bar, video], 1)


def _draw_title(text: str, width: int) -> np.ndarray:
    """Draw (title, width, 3) uint8: one line of text, cut at the end; the font has only ASCII."""
    bar = np.full((_TITLE_HEIGHT, width, 3), 245, np.uint8)
    plain = " ".join(text.split()).encode("ascii", "replace").decode()
    cv2.putText(bar, plain, (5, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (20, 20, 20), 1, cv2.LINE_AA)
    return bar
