"""Lines of text in a grey picture, found by their strokes: no model, no reading, no language.

Letters are small shapes of one brightness on another, about as tall as their neighbours, drawn with one width of pen,
and they stand in rows. Textures share some of that; rows of several letters seldom all of it.
"""

from dataclasses import dataclass

import cv2
import numpy as np

_BLOCK = 31
"""Side of the square that a pixel's brightness is held against, px."""
_CONTRAST = 14
"""Grey levels by which a stroke stands out from that square's mean."""
_STEP = 40
"""Grey levels between a letter and what lies right around it."""
_HEIGHTS = (7, 64)
_FEWEST = 4
"""Letters of a row."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Letters:
    """Shapes that may be letters: boxes (N, 4) as x, y, width, height, and pen widths (N,), px."""

    boxes: np.ndarray
    pens: np.ndarray


def text_boxes(greys: np.ndarray) -> np.ndarray:
    """(M, 4) float32 px, xyxy: the rows of letters that stand in the same place on all of (S, H, W) uint8 frames of
    about 480 px on their short side.

    Bright letters are looked for in the darkest that each pixel gets, dark ones in the brightest: where the letters of
    a passing sign come to lie on each other, nothing is left of them.
    """
    found = []
    for bright in (True, False):
        grey = greys.min(0) if bright else greys.max(0)
        mean = cv2.blur(grey, (_BLOCK, _BLOCK))
        above = cv2.subtract(grey, mean) if bright else cv2.subtract(mean, grey)
        letters = _letters(grey, (above > _CONTRAST).astype(np.uint8), bright)
        found += _rows(letters)
    return np.array(found, np.float32).reshape(-1, 4)


def _letters(grey: np.ndarray, mask: np.ndarray, bright: bool) -> _Letters:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    x, y, w, h, area = stats[1:].T
    low, high = _HEIGHTS
    fits = (h >= low) & (h <= high) & (w <= 2.2 * h) & (w >= 2) & (area >= 0.12 * w * h) & (area <= 0.95 * w * h)
    fits &= (x > 0) & (y > 0) & (x + w < grey.shape[1]) & (y + h < grey.shape[0])
    kept_boxes, kept_pens = [], []
    for number in np.flatnonzero(fits):
        box = stats[number + 1, :4]
        pen = _pen(labels, grey, number + 1, box, bright)
        if pen:
            kept_boxes.append(box)
            kept_pens.append(pen)
    return _Letters(boxes=np.array(kept_boxes, np.float32).reshape(-1, 4), pens=np.array(kept_pens, np.float32))


def _pen(labels: np.ndarray, grey: np.ndarray, number: int, box: np.ndarray, bright: bool) -> float:
    """The width of the pen that drew a shape, px; 0 where it is no stroke of one width or stands out too little."""
    x, y, w, h = box
    spot = (slice(y - 1, y + h + 1), slice(x - 1, x + w + 1))
    shape = (labels[spot] == number).astype(np.uint8)
    ring = cv2.dilate(shape, np.ones((3, 3), np.uint8)) - shape
    picture = grey[spot]
    inside, around = float(cv2.mean(picture, shape)[0]), float(cv2.mean(picture, ring)[0])
    if (inside - around if bright else around - inside) < _STEP:
        return 0.0
    depth = cv2.distanceTransform(shape, cv2.DIST_L2, 3)
    ridge = depth[(depth == cv2.dilate(depth, np.ones((3, 3), np.uint8))) & (depth > 0)]
    pen = 2 * float(ridge.mean())
    if pen > 0.45 * h or ridge.std() > 0.45 * ridge.mean() + 0.3:
        return 0.0
    return pen


def _rows(letters: _Letters) -> list[tuple[float, float, float, float]]:
    """Boxes (xyxy) around the letters that stand in a row."""
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
    for row in _groups(near):
        if len(row) < _FEWEST:
            continue
        one = boxes[row]
        # Feet or heads of letters stand on a line, and letters differ: bars of a fence are all alike.
        feet, heads = np.ptp(np.percentile(bottom[row], (20, 80))), np.ptp(np.percentile(top[row], (20, 80)))
        height = np.median(one[:, 3])
        if min(feet, heads) > 0.2 * height or np.std(one[:, 2]) < 0.06 * height:
            continue
        wide = right[row].max() - left[row].min()
        if wide < 1.8 * height:
            continue
        rows.append((left[row].min(), top[row].min(), right[row].max(), bottom[row].max()))
    return rows


def _groups(near: np.ndarray) -> list[np.ndarray]:
    """Connected components of a symmetric (N, N) relation."""
    left = np.ones(len(near), bool)
    found = []
    while left.any():
        group = np.zeros(len(near), bool)
        group[np.argmax(left)] = True
        while True:
            more = near[group].any(0) & left | group
            if (more == group).all():
                break
            group = more
        left &= ~group
        found.append(np.flatnonzero(group))
    return found
