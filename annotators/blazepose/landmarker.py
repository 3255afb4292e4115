"""The landmark model: 33 body points of one square crop of a frame, in pixels and in metres."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from annotators.blazepose.roi import Roi, crop_roi, make_roi_from_points, map_crop_to_frame
from annotators.blazepose.tflite import TfliteModel
from humove.motion.skeletons import MEDIAPIPE_33, find_mirror_indices

MIN_PRESENCE = 0.5
_ALL = 39
"""33 body points, two that place the next frame's square crop, four unused."""
_BODY = len(MEDIAPIPE_33)
_OUTPUTS = ("Identity", "Identity_1", "Identity_3", "Identity_4")
"""Points, presence, heat maps, world points; Identity_2, not used, is a mask of the person."""
_KERNEL = 7
_MIN_HEAT = 0.5
_SWAP = np.array(find_mirror_indices(MEDIAPIPE_33))


@dataclass(frozen=True, slots=True, eq=False)
class BodyPoints:
    """The landmarks that the model finds in one square crop."""

    presence: float
    """0..1: probability of a person in the crop."""
    keypoints: np.ndarray
    """(33, 2) float64 px of the frame."""
    scores: np.ndarray
    """(33,) float64 0..1: visibility times presence of each point."""
    visibility: np.ndarray
    """(33,) float64 0..1, unchanged from the model."""
    world: np.ndarray
    """(33, 3) float64 m, hip-centred, camera axes (x right, y down, z away)."""
    guides: np.ndarray
    """(2, 2) float64 px: hip centre and rim of the body's circle."""

    def make_roi(self) -> Roi | None:
        """Make the crop for the next frame."""
        return make_roi_from_points(self.guides[0], self.guides[1])


class PoseLandmarker:
    """`pose_landmark_full.tflite`."""

    def __init__(self, path: Path) -> None:
        self._model = TfliteModel(path, _OUTPUTS)

    def crop_input(self, rgb: np.ndarray, roi: Roi) -> np.ndarray:
        """Crop the model's input from a frame: (256, 256, 3) float32 0..1."""
        image = crop_roi(rgb, roi, self._model.input_size).astype(np.float32)
        image *= np.float32(1 / 255)
        return image

    def detect_landmarks(self, crop: np.ndarray, roi: Roi, *, mirror: bool = False) -> BodyPoints:
        """Detect the body in `crop`, which is `roi` of the frame.

        With `mirror` the model runs on the mirrored crop and its output is mapped back: x flipped, left and right
        exchanged.
        """
        out = self._model(np.ascontiguousarray(crop[:, ::-1]) if mirror else crop)
        return _decode_points(out, roi, self._model.input_size, mirror)


def _decode_points(out: dict[str, np.ndarray], roi: Roi, side: int, mirror: bool) -> BodyPoints:
    points = out["Identity"].astype(np.float64).reshape(_ALL, 5)
    world = out["Identity_4"].astype(np.float64).reshape(_ALL, 3)[:_BODY]
    visibility, presence = _sigmoid(points[:_BODY, 3]), _sigmoid(points[:_BODY, 4])
    xy = refine_points(points[:, :2] / side, out["Identity_3"])
    body, guides = xy[:_BODY], xy[_BODY : _BODY + 2]
    if mirror:
        body, guides = [1, 0] + body * [-1, 1], [1, 0] + guides * [-1, 1]
        body, world = body[_SWAP], world[_SWAP] * [-1, 1, 1]
        visibility, presence = visibility[_SWAP], presence[_SWAP]
    return BodyPoints(
        presence=float(out["Identity_1"][0]),
        keypoints=map_crop_to_frame(body, roi, side),
        scores=visibility * presence,
        visibility=visibility,
        world=np.concatenate([roi.rotate_vectors(world[:, :2]), world[:, 2:]], axis=1),
        guides=map_crop_to_frame(guides, roi, side),
    )


def refine_points(points: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Move each point to the centroid of its heat map nearby, if the heat there reaches 0.5.

    points (K, 2) 0..1; heat (H, W, K) logits. Source: RefineLandmarksFromHeatmapCalculator, kernel 7.
    """
    rows, columns, count = heat.shape
    reach = _KERNEL // 2
    cell = np.floor(points * [columns, rows]).astype(np.int64)
    inside = ((cell >= 0) & (cell < [columns, rows])).all(axis=1)
    offsets = np.arange(-reach, reach + 1)
    x = cell[:, 0, None] + offsets  # (K, 7)
    y = cell[:, 1, None] + offsets
    known = ((y >= 0) & (y < rows))[:, :, None] & ((x >= 0) & (x < columns))[:, None, :]
    near = heat[
        np.clip(y, 0, rows - 1)[:, :, None], np.clip(x, 0, columns - 1)[:, None, :], np.arange(count)[:, None, None]
    ]
    near = np.where(known, _sigmoid(near.astype(np.float64)), 0.0)  # (K, 7, 7)
    warm = inside & (near.max(axis=(1, 2)) >= _MIN_HEAT)
    total = np.where(warm, near.sum(axis=(1, 2)), 1.0)
    centre = np.stack([(near.sum(axis=1) * x).sum(axis=1) / columns, (near.sum(axis=2) * y).sum(axis=1) / rows], axis=1)
    return np.where(warm[:, None], centre / total[:, None], points)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.clip(x, -100, 100)))
