"""Marks that stand still while the picture behind them moves: logos, channel names, half-transparent lettering.

What is laid over a video has the same edges in the same place on every frame, whatever passes behind it; the median of
the frames' gradients keeps it and loses the rest (Dekel, Rubinstein, Liu and Freeman: On the Effectiveness of Visible
Watermarks, 2017). A camera that stands still keeps the scene's own edges too; so a mark counts only where the picture
around it changes, and behind a still picture nothing is called a mark.
"""

import cv2
import numpy as np

_EDGE = 12.0
"""Grey levels a pixel: the least median gradient of a mark's edge."""
_SCHARR = 16
"""What cv2.Scharr makes of a slope of one grey level a pixel, over two pixels."""
_ALIKE = 0.6
"""How far a mark's gradient may be off its median on a frame, as a share of that."""
_STEADY = 0.8
"""Share of the frames on which a mark's gradient is so near."""
_STILL = 0.25
"""Share of all edges that stand still from which on the camera does: nothing can be told then."""
_MOVING = 6.0
"""Grey levels: how much the picture around a mark varies over time at least (standard deviation)."""
_JOIN = 0.02
"""Edges nearer than this belong to one mark, as a share of the picture's shorter side."""
_LARGEST = 0.12
"""Share of the picture that one mark covers at the most; more is a part of the scene that stands still."""
_FEWEST_FRAMES = 4


def watermark_boxes(greys: np.ndarray) -> np.ndarray:
    """(M, 4) float32 px, xyxy: the marks on (S, H, W) uint8 frames, spread over a clip; none with fewer than four."""
    if len(greys) < _FEWEST_FRAMES:
        return np.zeros((0, 4), np.float32)
    steady, share = _steady_edges(greys)
    if share > _STILL:
        return np.zeros((0, 4), np.float32)
    height, width = steady.shape
    side = max(3, round(_JOIN * min(height, width))) | 1
    islands = cv2.morphologyEx(steady, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(islands, connectivity=8)
    change = _change(greys, side)
    found = []
    for number in range(1, count):
        x, y, w, h, _ = stats[number]
        edges = cv2.countNonZero(steady[y : y + h, x : x + w])
        if min(w, h) < side or w * h > _LARGEST * width * height or edges < 2 * max(w, h):
            continue
        if _around(labels, number, (x, y, w, h), change, 2 * side) < _MOVING:
            continue
        found.append((x, y, x + w, y + h))
    return np.array(found, np.float32).reshape(-1, 4)


def _steady_edges(greys: np.ndarray) -> tuple[np.ndarray, float]:
    """(H, W) uint8, 1 where an edge is there, and the same, on nearly every frame; and which share of all edges that
    are there for most of the time are so."""
    across = np.stack([cv2.Scharr(g, cv2.CV_16S, 1, 0) for g in greys])
    down = np.stack([cv2.Scharr(g, cv2.CV_16S, 0, 1) for g in greys])
    middle = [np.median(part, 0).astype(np.float32) for part in (across, down)]
    length = cv2.magnitude(*middle)
    edges, same = np.zeros(length.shape, np.float32), np.zeros(length.shape, np.float32)
    for gx, gy in zip(across.astype(np.float32), down.astype(np.float32), strict=True):
        edges += cv2.magnitude(gx, gy)
        same += cv2.magnitude(gx - middle[0], gy - middle[1]) < _ALIKE * length
    strong = edges > _SCHARR * _EDGE * len(greys)
    steady = (same >= _STEADY * len(greys)) & (length > _SCHARR * _EDGE)
    return steady.astype(np.uint8), np.count_nonzero(steady & strong) / max(1, np.count_nonzero(strong))


def _change(greys: np.ndarray, side: int) -> np.ndarray:
    """(H, W) float32 grey levels: the standard deviation over time of the picture, a little blurred."""
    blurred = np.stack([cv2.blur(g, (side, side)) for g in greys]).astype(np.float32)
    return blurred.std(0)


def _around(labels: np.ndarray, number: int, box: tuple[int, ...], change: np.ndarray, reach: int) -> float:
    """The change of the picture in a ring around a mark: what a quarter of it stays below."""
    x, y, w, h = box
    spot = (slice(max(0, y - reach), y + h + reach), slice(max(0, x - reach), x + w + reach))
    own = (labels[spot] == number).astype(np.uint8)
    ring = cv2.dilate(own, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) - own
    return float(np.percentile(change[spot][ring > 0], 25)) if ring.any() else 0.0
