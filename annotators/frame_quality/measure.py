"""Frame quality scores of a clip, and the verdict on them."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import cv2
import numpy as np

from annotators.frame_quality import technical
from annotators.frame_quality.config import FrameQualityConfig
from annotators.frame_quality.strokes import find_text_boxes
from annotators.frame_quality.watermark import find_watermark_boxes
from humove.config.thresholds import make_stage_thresholds
from humove.reasons import Reason
from humove.stage import Reject

_SHORT_SIDE = 480
"""px: frames are shrunk to this size for the detection of text and watermarks."""
_APART_S = 0.25
"""Seconds between the three frames of a place: long enough for the scene to move."""
_TOGETHER = 3

THRESHOLDS = make_stage_thresholds(
    "frame_quality",
    "first",
    FrameQualityConfig,
    ("min_technical_quality", "technical_quality", Reason.LOW_TECHNICAL_QUALITY,
     "technical quality {score:.2f} is below {limit}", 0, 1),
    ("max_text_share", "text_share", Reason.BURNT_IN_TEXT, "text covers {score:.1%} of the frame", 0, 0.1),
    ("max_watermark_share", "watermark_share", Reason.WATERMARK, "watermarks cover {score:.1%} of the frame", 0, 0.1),
)  # fmt: skip


class LumaFrames(Protocol):
    """The part of `humove.video.frames.ClipFrames` that is used here."""

    fps: float
    height: int

    def __len__(self) -> int: ...

    def read_yuv(self, index: int) -> np.ndarray: ...


def measure_frame_quality(frames: LumaFrames, xyxy: Sequence[int], places: int) -> dict[str, float]:
    """Measure the scores of the window `xyxy` (px of the frames) of a clip.

    detail, blockiness, noise, contrast, technical_quality: medians over the places (see technical.py).
    text_share: of the frame, at the place with the most text; only text that is static on the three
    frames of a place, for half a second, counts. watermark_share: of the frame, over the whole clip.
    """
    grades, small = [], []
    for place in sample_frames(len(frames), float(frames.fps), places):
        lumas = [_read_luma(frames, index, xyxy) for index in place]
        grades.append(technical.measure_technical_quality(lumas[len(lumas) // 2]))
        small.append([_shrink_luma(luma) for luma in lumas])
    scores = {name: float(np.median([grade[name] for grade in grades])) for name in grades[0]}
    scores["technical_quality"] = technical.grade_scores(scores)
    scores["text_share"] = max(_measure_coverage(find_text_boxes(np.stack(three)), three[0].shape) for three in small)
    every = np.stack([grey for three in small for grey in three])
    scores["watermark_share"] = _measure_coverage(find_watermark_boxes(every), every.shape[1:])
    return scores


def sample_frames(count: int, fps: float, places: int) -> list[tuple[int, ...]]:
    """Return the frames to analyse, ascending: three in each of `places`, spread over the whole clip."""
    apart = max(1, min(round(_APART_S * fps), (count - 1) // (_TOGETHER - 1))) if count > 1 else 0
    last = max(0, count - 1 - (_TOGETHER - 1) * apart)
    return [
        tuple(min(count - 1, int(start) + k * apart) for k in range(_TOGETHER))
        for start in np.linspace(0, last, places).round()
    ]


def judge_frame_quality(scores: Mapping[str, float], config: FrameQualityConfig) -> Reject | None:
    """Return the rejection by the first threshold that the scores miss; None if they meet all."""
    return THRESHOLDS.judge(scores, config)


def _read_luma(frames: LumaFrames, index: int, xyxy: Sequence[int]) -> np.ndarray:
    """Read the window's luma, expanded to the full range, 0 black to 255 white."""
    x0, y0, x1, y1 = (int(v) for v in xyxy)
    plane = frames.read_yuv(index)[: frames.height][y0:y1, x0:x1]
    return cv2.convertScaleAbs(cv2.subtract(plane, 16), alpha=255 / 219)


def _shrink_luma(luma: np.ndarray) -> np.ndarray:
    height, width = luma.shape
    scale = _SHORT_SIDE / min(height, width)
    if scale >= 1:
        return luma
    return cv2.resize(luma, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)


def _measure_coverage(boxes_xyxy: np.ndarray, shape: tuple[int, int]) -> float:
    """Measure the share of a frame of `shape` (H, W) that lies in any box."""
    mask = np.zeros(shape, np.uint8)
    for x0, y0, x1, y1 in boxes_xyxy.astype(int):
        mask[y0:y1, x0:x1] = 1
    return float(mask.mean())
