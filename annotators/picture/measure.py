"""The scores of a clip's picture, and the verdict on them. `measure` looks, `judge` only compares."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import cv2
import numpy as np

from annotators.picture import technical
from annotators.picture.config import PictureConfig
from annotators.picture.strokes import text_boxes
from annotators.picture.watermark import watermark_boxes
from humove.bars import stage_bars
from humove.reasons import Reason
from humove.stage import Reject

_SHORT_SIDE = 480
"""px: text and marks are looked for on pictures of this size."""
_APART_S = 0.25
"""Seconds between the three frames of a place: long enough for what belongs to the scene to move."""
_TOGETHER = 3

BARS = stage_bars(
    "picture",
    "first",
    PictureConfig,
    ("min_technical_quality", "technical_quality", Reason.LOW_TECHNICAL_QUALITY,
     "technical quality {score:.2f} is below {bar}", 0, 1),
    ("max_text_share", "text_share", Reason.BURNT_IN_TEXT, "text covers {score:.1%} of the picture", 0, 0.1),
    ("max_watermark_share", "watermark_share", Reason.WATERMARK, "marks cover {score:.1%} of the picture", 0, 0.1),
)  # fmt: skip


class Frames(Protocol):
    """What is read of `humove.video.frames.ClipFrames`."""

    fps: float
    height: int

    def __len__(self) -> int: ...

    def yuv(self, index: int) -> np.ndarray: ...


def measure(frames: Frames, xyxy: Sequence[int], places: int) -> dict[str, float]:
    """Scores of the window `xyxy` (px of the frames) of a clip.

    detail, blockiness, noise, contrast, technical_quality: medians over the places (annotators.picture.technical).
    text_share: of the picture, where most is covered; only what stands still on the three frames of a
    place, for half a second, counts. watermark_share: of the picture, over the whole clip.
    """
    looks, small = [], []
    for place in sample_frames(len(frames), float(frames.fps), places):
        lumas = [_luma(frames, index, xyxy) for index in place]
        looks.append(technical.measure(lumas[len(lumas) // 2]))
        small.append([_shrunk(luma) for luma in lumas])
    scores = {name: float(np.median([look[name] for look in looks])) for name in looks[0]}
    scores["technical_quality"] = technical.grade(scores)
    scores["text_share"] = max(_covered(text_boxes(np.stack(three)), three[0].shape) for three in small)
    every = np.stack([grey for three in small for grey in three])
    scores["watermark_share"] = _covered(watermark_boxes(every), every.shape[1:])
    return scores


def sample_frames(count: int, fps: float, places: int) -> list[tuple[int, ...]]:
    """The frames to look at: three in each of `places` spread from the clip's first frame to its last, ascending."""
    apart = max(1, min(round(_APART_S * fps), (count - 1) // (_TOGETHER - 1))) if count > 1 else 0
    last = max(0, count - 1 - (_TOGETHER - 1) * apart)
    return [
        tuple(min(count - 1, int(start) + k * apart) for k in range(_TOGETHER))
        for start in np.linspace(0, last, places).round()
    ]


def judge(scores: Mapping[str, float], config: PictureConfig) -> Reject | None:
    """The first bar that the scores do not meet; None where all are met."""
    return BARS.judge(scores, config)


def _luma(frames: Frames, index: int, xyxy: Sequence[int]) -> np.ndarray:
    """The window's luma over the full range, 0 black to 255 white."""
    x0, y0, x1, y1 = (int(v) for v in xyxy)
    plane = frames.yuv(index)[: frames.height][y0:y1, x0:x1]
    return cv2.convertScaleAbs(cv2.subtract(plane, 16), alpha=255 / 219)


def _shrunk(luma: np.ndarray) -> np.ndarray:
    height, width = luma.shape
    shrink = _SHORT_SIDE / min(height, width)
    if shrink >= 1:
        return luma
    return cv2.resize(luma, (round(width * shrink), round(height * shrink)), interpolation=cv2.INTER_AREA)


def _covered(boxes_xyxy: np.ndarray, shape: tuple[int, int]) -> float:
    """Share of a picture of `shape` (H, W) that lies in some box."""
    mask = np.zeros(shape, np.uint8)
    for x0, y0, x1, y1 in boxes_xyxy.astype(int):
        mask[y0:y1, x0:x1] = 1
    return float(mask.mean())
