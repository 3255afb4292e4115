"""Detection of watermarks, static before a moving background: logos, channel names, half-transparent text.

A watermark has the same edges at the same pixels of every frame; the median of the frames' gradients keeps them and
removes others (Dekel, Rubinstein, Liu and Freeman: On the Effectiveness of Visible Watermarks, 2017). A still camera
keeps the scene's edges too; so a watermark counts only where the frame around it changes.
"""

import cv2
import numpy as np

_EDGE = 12.0
"""Least median gradient of a watermark's edge, grey levels a pixel."""
_SCHARR = 16
"""Response of cv2.Scharr to a gradient of one grey level a pixel."""
_ALIKE = 0.6
"""Largest difference of a watermark's gradient on a frame to its median, as a share of the median."""
_STEADY = 0.8
"""Least share of the frames with a difference within _ALIKE."""
_STILL = 0.25
"""Share of static edges above which the camera is still, so that watermarks cannot be detected."""
_MOVING = 6.0
"""Least standard deviation over time of the frame around a watermark, grey levels."""
_JOIN = 0.02
"""Edges nearer than this belong to one watermark, as a share of the frame's shorter side."""
_LARGEST = 0.12
"""Largest share of the frame for one watermark; larger regions are static parts of the scene."""
_FEWEST_FRAMES = 4


def find_watermark_boxes(greys: np.ndarray) -> np.ndarray:
    """Find watermarks (M, 4) float32 px, xyxy, on (S, H, W) uint8 frames spread over a clip; none if S < 4."""
    if len(greys) < _FEWEST_FRAMES:
        return np.zeros((0, 4), np.float32)
    steady, share = _find_steady_edges(greys)
    if share > _STILL:
        return np.zeros((0, 4), np.float32)
    height, width = steady.shape
    side = max(3, round(_JOIN * min(height, width))) | 1
    islands = cv2.morphologyEx(steady, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(islands, connectivity=8)
    change = _measure_change(greys, side)
    found = []
    for number in range(1, count):
        x, y, w, h, _ = stats[number]
        edges = cv2.countNonZero(steady[y : y + h, x : x + w])
        if min(w, h) < side or w * h > _LARGEST * width * height or edges < 2 * max(w, h):
            continue
        if _measure_change_around(labels, number, (x, y, w, h), change, 2 * side) < _MOVING:
            continue
        found.append((x, y, x + w, y + h))
    return np.array(found, np.float32).reshape(-1, 4)


def _find_steady_edges(greys: np.ndarray) -> tuple[np.ndarray, float]:
    """Return (H, W) uint8, 1 where an edge is the same on nearly every frame, and the share of such edges among
    all edges that are present most of the time."""
    across = np.stack([cv2.Scharr(g, cv2.CV_16S, 1, 0) for g in greys])
    down = np.stack([cv2.Scharr(g, cv2.CV_16S, 0, 1) for g in greys])
    median = [np.median(part, 0).astype(np.float32) for part in (across, down)]
    length = cv2.magnitude(*median)
    edges, same = np.zeros(length.shape, np.float32), np.zeros(length.shape, np.float32)
    for gx, gy in zip(across.astype(np.float32), down.astype(np.float32), strict=True):
        edges += cv2.magnitude(gx, gy)
        same += cv2.magnitude(gx - median[0], gy - median[1]) < _ALIKE * length
    strong = edges > _SCHARR * _EDGE * len(greys)
    steady = (same >= _STEADY * len(greys)) & (length > _SCHARR * _EDGE)
    return steady.astype(np.uint8), np.count_nonzero(steady & strong) / max(1, np.count_nonzero(strong))


def _measure_change(greys: np.ndarray, side: int) -> np.ndarray:
    """Measure (H, W) float32 grey levels: the standard deviation over time of the blurred frames."""
    blurred = np.stack([cv2.blur(g, (side, side)) for g in greys]).astype(np.float32)
    return blurred.std(0)


def _measure_change_around(
    labels: np.ndarray, number: int, box: tuple[int, ...], change: np.ndarray, reach: int
) -> float:
    """Measure the change of the frame in a ring around a region: the lower quartile."""
    x, y, w, h = box
    window = (slice(max(0, y - reach), y + h + reach), slice(max(0, x - reach), x + w + reach))
    own = (labels[window] == number).astype(np.uint8)
    ring = cv2.dilate(own, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) - own
    return float(np.percentile(change[window][ring > 0], 25)) if ring.any() else 0.0
