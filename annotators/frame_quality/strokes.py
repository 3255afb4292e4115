"""Detection of text lines in grey frames by their strokes, without a model.

Letters are small shapes of one brightness on another, about as tall as their neighbours, of one stroke width, in rows.
Textures share some of these properties, but seldom all of them in rows of several shapes.
"""

from dataclasses import dataclass

import cv2
import numpy as np

_BLOCK = 31
"""Side of the square whose mean a pixel's brightness is compared with, px."""
_CONTRAST = 14
"""Least difference of a stroke to that square's mean, grey levels."""
_STEP = 40
"""Least difference between a letter and the pixels around it, grey levels."""
_HEIGHTS = (7, 64)
_FEWEST = 4
"""Least letters of a row."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Letters:
    """Shapes that may be letters: boxes (N, 4) as x, y, width, height, and stroke widths (N,), px."""

    boxes: np.ndarray
    pens: np.ndarray


def find_text_boxes(greys: np.ndarray) -> np.ndarray:
    """Find the rows of letters (M, 4) float32 px, xyxy, that are static on all of (S, H, W) uint8 frames of about
    480 px on their short side.

    Bright letters are detected in the minimum of each pixel, dark ones in the maximum, which removes moving letters.
    """
    found = []
    for bright in (True, False):
        grey = greys.min(0) if bright else greys.max(0)
        mean = cv2.blur(grey, (_BLOCK, _BLOCK))
        above = cv2.subtract(grey, mean) if bright else cv2.subtract(mean, grey)
        letters = _find_letters(grey, (above > _CONTRAST).astype(np.uint8), bright)
        found += _find_rows(letters)
    return np.array(found, np.float32).reshape(-1, 4)


def _find_letters(grey: np.ndarray, mask: np.ndarray, bright: bool) -> _Letters:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    x, y, w, h, area = stats[1:].T
    low, high = _HEIGHTS
    fits = (h >= low) & (h <= high) & (w <= 2.2 * h) & (w >= 2) & (area >= 0.12 * w * h) & (area <= 0.95 * w * h)
    fits &= (x > 0) & (y > 0) & (x + w < grey.shape[1]) & (y + h < grey.shape[0])
    kept_boxes, kept_pens = [], []
    for number in np.flatnonzero(fits):
        box = stats[number + 1, :4]
        pen = _measure_pen(labels, grey, number + 1, box, bright)
        if pen:
            kept_boxes.append(box)
            kept_pens.append(pen)
    return _Letters(boxes=np.array(kept_boxes, np.float32).reshape(-1, 4), pens=np.array(kept_pens, np.float32))


def _measure_pen(labels: np.ndarray, grey: np.ndarray, number: int, box: np.ndarray, bright: bool) -> float:
    """Measure the stroke width of a shape, px; 0 if the width varies or the contrast is too low."""
    x, y, w, h = box
    window = (slice(y - 1, y + h + 1), slice(x - 1, x + w + 1))
    shape = (labels[window] == number).astype(np.uint8)
    ring = cv2.dilate(shape, np.ones((3, 3), np.uint8)) - shape
    patch = grey[window]
    inside, around = float(cv2.mean(patch, shape)[0]), float(cv2.mean(patch, ring)[0])
    if (inside - around if bright else around - inside) < _STEP:
        return 0.0
    depth = cv2.distanceTransform(shape, cv2.DIST_L2, 3)
    ridge = depth[(depth == cv2.dilate(depth, np.ones((3, 3), np.uint8))) & (depth > 0)]
    pen = 2 * float(ridge.mean())
    if pen > 0.45 * h or ridge.std() > 0.45 * ridge.mean() + 0.3:
        return 0.0
    return pen


def _find_rows(letters: _Letters) -> list[tuple[float, float, float, float]]:
    """Find the boxes (xyxy) around letters in a row."""
    boxes = letters.boxes
    if len(boxes) < _FEWEST:
        return []
    x, y, w, h = boxes.T
    left, right, top, bottom = x, x + w, y, y + h
    tall = np.maximum(h[:, None], h[None])
    gap = np.maximum(left[None] - right[:, None], left[:, None] - right[None])
    level = np.minimum(bottom[:, None], bottom[None]) - np.maximum(top[:, None], top[None])
    pens = np.maximum(letters.pens[:, None], letters.pens[None]) / np.minimum(letters.pens[:, None], letters.pens[None])
    near = (gap < 0.9 * tall) & (gap > -0.3 * tall) & (level > 0.6 * np.minimum(h[:, None], h[None]))
    near &= (tall < 1.9 * np.minimum(h[:, None], h[None])) & (pens < 1.8)
    rows = []
    for row in _find_groups(near):
        if len(row) < _FEWEST:
            continue
        members = boxes[row]
        # The bottoms or tops of letters are aligned and their widths differ, unlike the bars of a fence.
        feet, heads = np.ptp(np.percentile(bottom[row], (20, 80))), np.ptp(np.percentile(top[row], (20, 80)))
        height = np.median(members[:, 3])
        if min(feet, heads) > 0.2 * height or np.std(members[:, 2]) < 0.06 * height:
            continue
        wide = right[row].max() - left[row].min()
        if wide < 1.8 * height:
            continue
        rows.append((left[row].min(), top[row].min(), right[row].max(), bottom[row].max()))
    return rows


def _find_groups(near: np.ndarray) -> list[np.ndarray]:
    """Return the connected components of a symmetric (N, N) relation."""
    remaining = np.ones(len(near), bool)
    found = []
    while remaining.any():
        group = np.zeros(len(near), bool)
        group[np.argmax(remaining)] = True
        while True:
            more = near[group].any(0) & remaining | group
            if (more == group).all():
                break
            group = more
        remaining &= ~group
        found.append(np.flatnonzero(group))
    return found
