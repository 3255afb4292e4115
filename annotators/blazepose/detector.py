"""The person detector: boxes in one frame, with the points that place the landmark model's square crop."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from annotators.blazepose.roi import Roi, crop_roi, make_roi_from_points
from annotators.blazepose.tflite import TfliteModel

MIN_SCORE = 0.5
_SCORE_CLIP = 100.0
_MAX_OVERLAP = 0.3
_GRIDS = ((8, 2), (16, 2), (32, 6))
"""(stride px, anchors a cell). Strides 8, 16, 32, 32, 32 with two anchors a layer; equal strides share their cells."""


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """A detected person: a box around the face, and points that locate the body."""

    score: float
    box_xyxy: np.ndarray
    """(4,) float64 px."""
    points: np.ndarray
    """(4, 2) float64 px: hip centre, full-body rim, shoulder centre, upper-body rim."""

    def make_roi(self) -> Roi | None:
        """Make the crop for the landmark model."""
        return make_roi_from_points(self.points[0], self.points[1])

    def shift(self, x: float, y: float) -> "Detection":
        """Move a detection made in a part of the frame that begins at (x, y) px to the frame."""
        return Detection(self.score, self.box_xyxy + [x, y, x, y], self.points + [x, y])


def make_anchors(side: int = 224) -> np.ndarray:
    """Make anchor centres (2254, 2), 0..1, in the order of the model's outputs (SsdAnchorsCalculator, fixed size 1)."""
    layers = []
    for stride, count in _GRIDS:
        cells = side // stride
        centre = (np.arange(cells) + 0.5) / cells
        x, y = np.meshgrid(centre, centre)
        layers.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), count, axis=0))
    return np.concatenate(layers)


def decode_detections(
    raw_boxes: np.ndarray, raw_scores: np.ndarray, centres: np.ndarray, side: int = 224, min_score: float = MIN_SCORE
) -> np.ndarray:
    """Decode the model's outputs to (D, 13): score, x0, y0, x1, y1, four points; all 0..1, best first.

    raw_boxes (A, 12) px from the anchor: x, y, w, h, four points; raw_scores (A,) logits.
    """
    scores = 1.0 / (1.0 + np.exp(-np.clip(raw_scores.astype(np.float64), -_SCORE_CLIP, _SCORE_CLIP)))
    keep = np.flatnonzero(scores >= min_score)
    keep = keep[np.argsort(-scores[keep], kind="stable")]
    raw, centre = raw_boxes[keep].astype(np.float64) / side, centres[keep]
    middle, half = raw[:, 0:2] + centre, raw[:, 2:4] / 2
    points = raw[:, 4:] + np.tile(centre, 4)
    return np.concatenate([scores[keep, None], middle - half, middle + half, points], axis=1)


def merge_overlapping(rows: np.ndarray) -> np.ndarray:
    """Merge each group of overlapping rows into its score-weighted mean (weighted non-maximum suppression)."""
    kept = []
    while len(rows):
        near = _compute_iou(rows[0, 1:5], rows[:, 1:5]) > _MAX_OVERLAP
        near[0] = True
        group = rows[near]
        mean = (group[:, :1] * group[:, 1:]).sum(axis=0) / group[:, 0].sum()
        kept.append(np.concatenate([group[0, :1], mean]))
        rows = rows[~near]
    return np.array(kept).reshape(-1, 13)


def _compute_iou(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    width = np.clip(np.minimum(box[2], boxes[:, 2]) - np.maximum(box[0], boxes[:, 0]), 0, None)
    height = np.clip(np.minimum(box[3], boxes[:, 3]) - np.maximum(box[1], boxes[:, 1]), 0, None)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    union = (box[2] - box[0]) * (box[3] - box[1]) + area - width * height
    return np.where(union > 0, width * height / np.where(union > 0, union, 1), 0.0)


class PoseDetector:
    """`pose_detection.tflite`."""

    def __init__(self, path: Path) -> None:
        self._model = TfliteModel(path, ("Identity", "Identity_1"))
        self._anchors = make_anchors(self._model.input_size)

    def detect(self, rgb: np.ndarray, min_score: float = MIN_SCORE) -> list[Detection]:
        """Detect the people in an (H, W, 3) uint8 frame, best first."""
        height, width = rgb.shape[:2]
        side = self._model.input_size
        whole = Roi(width / 2, height / 2, float(max(width, height)), 0.0)  # letterboxed into a square
        image = crop_roi(rgb, whole, side, cv2.BORDER_CONSTANT).astype(np.float32)
        image *= np.float32(2 / 255)
        image -= np.float32(1)
        out = self._model(image)
        found = []
        for row in merge_overlapping(
            decode_detections(out["Identity"], out["Identity_1"][:, 0], self._anchors, side, min_score)
        ):
            xy = whole.map_to_frame(row[1:].reshape(-1, 2))
            found.append(Detection(float(row[0]), xy[:2].reshape(4), xy[2:]))
        return found
