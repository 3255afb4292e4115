"""The fixed window around a person that a clip is cropped to."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from pydantic import Field

from humove.config.strict import Strict

ASPECTS = (Fraction(9, 16), Fraction(3, 4), Fraction(1), Fraction(4, 3), Fraction(16, 9))
"""Width over height of the windows: few shapes, so that a data set can be batched."""


class CropConfig(Strict):
    """How the stored frames are cropped around the person."""

    mode: Literal["person", "off"] = Field("person", description="person: crop around the person; off: the whole frame")
    margin: float = Field(0.15, ge=0, le=1, description="room around the person's boxes, as a share of their height")
    whole_above: float = Field(
        0.8, gt=0, le=1, description="a window covering more than this share of the frame becomes the whole frame"
    )
    max_short_side: int = Field(
        720, ge=64, description="px; larger frames are scaled down to this, smaller ones are kept"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Crop:
    """A window of the working frame and its stored size; all even."""

    xyxy: tuple[int, int, int, int]
    out_width: int
    out_height: int


def _round_to_even(value: float) -> int:
    return max(2, round(value / 2) * 2)


def _make_crop(xyxy: tuple[int, int, int, int], config: CropConfig) -> Crop:
    width, height = xyxy[2] - xyxy[0], xyxy[3] - xyxy[1]
    shrink = min(1.0, config.max_short_side / min(width, height))
    if shrink == 1.0:
        return Crop(xyxy=xyxy, out_width=width, out_height=height)
    out_width, out_height = min(width, _round_to_even(width * shrink)), min(height, _round_to_even(height * shrink))
    return Crop(xyxy=xyxy, out_width=out_width, out_height=out_height)


def _place_span(low: float, high: float, size: int, limit: int) -> tuple[int, int]:
    """Place an even span of `size` inside [0, limit] around the middle of [low, high]."""
    start = round((low + high - size) / 4) * 2
    start = min(max(0, start), (limit - size) // 2 * 2)
    return start, start + size


def choose_window(boxes_xyxy: np.ndarray, width: int, height: int, config: CropConfig) -> Crop:
    """Choose one window for the whole clip: the union of the (T, 4) boxes (px) with a margin, in one of ASPECTS.

    It lies inside the (even) width x height frame and holds every box as far as the frame does. It is fixed over time,
    so that motion of the crop is the camera's own.
    """
    whole = (0, 0, width, height)
    if config.mode == "off" or len(boxes_xyxy) == 0:
        return _make_crop(whole, config)
    x0, y0 = np.clip(boxes_xyxy[:, :2].min(axis=0), 0, (width, height))
    x1, y1 = np.clip(boxes_xyxy[:, 2:].max(axis=0), 0, (width, height))
    room = config.margin * float(np.median(boxes_xyxy[:, 3] - boxes_xyxy[:, 1]))
    x0, y0, x1, y1 = max(0.0, x0 - room), max(0.0, y0 - room), min(width, x1 + room), min(height, y1 + room)
    need_w, need_h = max(2.0, x1 - x0), max(2.0, y1 - y0)
    best: tuple[float, int, int] | None = None
    for aspect in ASPECTS:
        w = max(need_w, need_h * float(aspect))
        h = w / float(aspect)
        if w <= width and h <= height and (best is None or w * h < best[0]):
            best = (w * h, min(width, -(-int(np.ceil(w)) // 2) * 2), min(height, -(-int(np.ceil(h)) // 2) * 2))
    if best is None or best[0] > config.whole_above * width * height:
        return _make_crop(whole, config)
    left, right = _place_span(x0, x1, best[1], width)
    top, bottom = _place_span(y0, y1, best[2], height)
    return _make_crop((left, top, right, bottom), config)
