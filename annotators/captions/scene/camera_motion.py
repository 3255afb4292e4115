"""Camera motion, from shifts of the background between frames a tenth of a second apart."""

from dataclasses import dataclass

import cv2
import numpy as np

from annotators.captions.inputs import CaptionInput
from annotators.captions.movement.keypoints import FramePoints
from humove.video.frames import Frames

WORK_WIDTH = 320
GAP_S = 0.12
"""Seconds between the two frames of a pair: long enough for a slow pan to show, short enough to track."""
PAIRS_A_SECOND = 4
MIN_POINTS = 12
"""Least tracked background points of a pair."""
STILL = 0.012
"""Largest background speed of a still camera, frame widths a second (noise, a breath of wind) ..."""
MOVING = 0.03
"""... and least speed of a moving one. In between the result is None."""
STEADY = 0.7
"""Least length of the mean of unit shifts for a pan with a direction (1: all alike)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraMotion:
    """`moving` is None where the background had too little to track, or the measure lies between the two bounds."""

    moving: bool | None = None
    direction: str | None = None
    """"left", "right", "up" or "down": where the camera turns or travels to (the background moves the other way)."""
    speed: float = 0.0
    """Median background speed, frame widths a second."""
    pairs: int = 0


def _read_luma(frames: Frames, row: int) -> np.ndarray:
    """Read the luma plane of one frame at WORK_WIDTH."""
    luma = frames.read_yuv(row)[: frames.height]
    height = max(16, round(frames.height * WORK_WIDTH / frames.width))
    return cv2.resize(luma, (WORK_WIDTH, height), interpolation=cv2.INTER_AREA)


def _mask_boxes(
    shape: tuple[int, int], boxes: list[tuple[float, float, float, float] | None], scale: float
) -> np.ndarray:
    mask = np.full(shape, 255, np.uint8)
    for box in boxes:
        if box is not None:
            x0, y0, x1, y1 = (round(v * scale) for v in box)
            mask[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = 0
    return mask


def _measure_shift(first: np.ndarray, second: np.ndarray, mask: np.ndarray) -> tuple[float, np.ndarray] | None:
    """Measure the background's median shift length and vector (2,), px at WORK_WIDTH; None: nothing to track."""
    corners = cv2.goodFeaturesToTrack(first, 120, 0.02, 7, mask=mask)
    if corners is None or len(corners) < MIN_POINTS:
        return None
    ahead, found, _ = cv2.calcOpticalFlowPyrLK(first, second, corners, None, winSize=(15, 15), maxLevel=3)
    back, found_back, _ = cv2.calcOpticalFlowPyrLK(second, first, ahead, None, winSize=(15, 15), maxLevel=3)
    error = np.linalg.norm((back - corners).reshape(-1, 2), axis=1)
    tracked = (found.ravel() > 0) & (found_back.ravel() > 0) & (error < 0.7)
    if tracked.sum() < MIN_POINTS:
        return None
    flow = (ahead - corners).reshape(-1, 2)[tracked]
    return float(np.median(np.linalg.norm(flow, axis=1))), np.median(flow, axis=0)


def measure_camera_motion(clip: CaptionInput, pairs: int, min_score: float) -> CameraMotion:
    """Compare up to `pairs` pairs of frames, spread over the clip, outside the person's box."""
    gap = max(1, round(GAP_S * float(clip.fps)))
    last = len(clip.frames) - 1 - gap
    pairs = min(pairs, max(4, round(PAIRS_A_SECOND * len(clip.frames) / float(clip.fps))))
    if last < 0:
        return CameraMotion()
    starts = np.unique(np.linspace(0, last, min(pairs, last + 1)).round().astype(int))
    scale = WORK_WIDTH / clip.frames.width
    lengths, vectors = [], []
    for start in (int(s) for s in starts):
        first, second = _read_luma(clip.frames, start), _read_luma(clip.frames, start + gap)
        boxes = [FramePoints(clip.pose2d, row, min_score).compute_box(0.12) for row in (start, start + gap)]
        shift = _measure_shift(first, second, _mask_boxes(first.shape, boxes, scale))
        if shift is not None:
            lengths.append(shift[0])
            vectors.append(shift[1])
    if len(lengths) < max(2, len(starts) // 3):
        return CameraMotion(pairs=len(lengths))
    per_second = float(clip.fps) / gap / WORK_WIDTH
    speed = float(np.median(lengths)) * per_second
    fast = float(np.quantile(lengths, 0.9)) * per_second
    moving = True if speed >= MOVING else False if max(speed, fast / 3) <= STILL else None
    direction = _name_direction(np.array(vectors)) if moving else None
    return CameraMotion(moving=moving, direction=direction, speed=speed, pairs=len(lengths))


def _name_direction(shifts: np.ndarray) -> str | None:
    """Name the camera's direction if most of the shifts (M, 2) agree."""
    lengths = np.linalg.norm(shifts, axis=1)
    strong = shifts[lengths > 0.25 * lengths.max()]
    units = strong / np.linalg.norm(strong, axis=1, keepdims=True)
    mean = units.mean(0)
    if np.linalg.norm(mean) < STEADY:
        return None
    if abs(mean[0]) >= abs(mean[1]):
        return "left" if mean[0] > 0 else "right"
    return "up" if mean[1] > 0 else "down"
