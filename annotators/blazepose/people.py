"""Detect all people in a frame, and track a person from one frame to the next."""

from dataclasses import dataclass

import cv2
import numpy as np

from annotators.blazepose.detector import MIN_SCORE, Detection, PoseDetector
from annotators.blazepose.landmarker import MIN_PRESENCE, BodyPoints, PoseLandmarker
from annotators.blazepose.roi import Roi
from annotators.weights.table import resolve_weights
from humove.motion.skeletons import MEDIAPIPE_33

_PAINT_MARGIN = 0.08
_SAME_BODY = 0.12
"""Two detections are one person if their torsos, or ankles, are closer than this share of the larger body."""
_MIN_OTHERS_SCORE = 0.3
"""The detector scores people beside the main person low; the mirror check removes false detections."""
_TILE_FROM = 1.2
"""Frames longer than this many times their shorter side are also searched in square tiles."""
_SHOULDERS = [MEDIAPIPE_33.index("left_shoulder"), MEDIAPIPE_33.index("right_shoulder")]
_TORSO = [*_SHOULDERS, MEDIAPIPE_33.index("left_hip"), MEDIAPIPE_33.index("right_hip")]
_ANKLES = [MEDIAPIPE_33.index("left_ankle"), MEDIAPIPE_33.index("right_ankle")]
_TORSO_SWAPPED = [_TORSO[k] for k in (1, 0, 3, 2)]
_NOSE = MEDIAPIPE_33.index("nose")
_LEGS = [MEDIAPIPE_33.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("knee", "ankle")]


@dataclass(frozen=True, slots=True, eq=False)
class BlazePosePerson:
    """A detected person with landmarks."""

    box_xyxy: np.ndarray
    """(4,) float64 px: the whole body, clipped to the frame."""
    points: BodyPoints
    leg_visibility: float
    """0..1: mean of knees and ankles; a point outside the frame counts as 0."""

    @property
    def presence(self) -> float:
        """0..1: the model's confidence that this is a person."""
        return self.points.presence

    @property
    def area(self) -> float:
        """Area of the box, px^2."""
        return float((self.box_xyxy[2] - self.box_xyxy[0]) * (self.box_xyxy[3] - self.box_xyxy[1]))


def compute_body_box(keypoints: np.ndarray, width: int, height: int) -> np.ndarray:
    """Compute the box of a whole body from its (33, 2) points, clipped to the frame; (4,) px.

    The detector's own box covers the face alone. The points end at the eyes, so the crown is placed above the nose by
    0.7 of the distance from the shoulders to the nose; joints lie inside the body, hence 4 % on each side.
    """
    crown = keypoints[_NOSE] + 0.7 * (keypoints[_NOSE] - keypoints[_SHOULDERS].mean(axis=0))
    points = np.vstack([keypoints, crown])
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.04 * float((high - low).max())
    limit = np.array([width, height], dtype=np.float64)
    return np.concatenate([np.clip(low - margin, 0, limit), np.clip(high + margin, 0, limit)])


def compute_iou(a: np.ndarray, b: np.ndarray) -> float:
    """Compute the intersection over union of two boxes, (4,) each."""
    sides = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
    both = float(sides.prod())
    union = float((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod()) - both
    return both / union if union > 0 else 0.0


def is_inside_frame(points: np.ndarray, width: int, height: int) -> np.ndarray:
    """Tell which of the points (..., 2) px lie in the frame: (...) bool."""
    return ((points >= 0) & (points < [width, height])).all(axis=-1)


class PeopleDetector:
    """The detector and the landmark model, loaded."""

    def __init__(self) -> None:
        self.detector = PoseDetector(resolve_weights("blazepose_detector"))
        self.landmarker = PoseLandmarker(resolve_weights("blazepose_landmarks"))

    def detect(self, rgb: np.ndarray, repaints: int, max_disagreement: float) -> list[BlazePosePerson]:
        """Detect all people in the frame, largest first.

        The detector finds one person well and a second one poorly. So each person found is painted over with the
        frame's mean colour and the rest is searched again, up to `repaints` times; a long frame is also searched in
        square tiles, where people are larger.
        """
        people: list[BlazePosePerson] = []
        image, mean = rgb, None
        for attempt in range(repaints + 1):
            detections = self.detector.detect(image, _MIN_OTHERS_SCORE if people else MIN_SCORE)
            if not detections:
                break
            found = [(d, self._add_person(people, image, d, max_disagreement)) for d in detections]
            if attempt == repaints:
                break
            if mean is None:
                image, mean = rgb.copy(), [float(c) for c in rgb.reshape(-1, 3).mean(axis=0)]
            for detection, person in found:
                _paint_out(image, person.box_xyxy if person else _compute_detected_box(detection), mean)
        # Tiles only where a person was found: enlarged, many objects resemble a person.
        for x, y, side in compute_tiles(rgb.shape[1], rgb.shape[0]) if people and repaints else ():
            for detection in self.detector.detect(
                np.ascontiguousarray(rgb[y : y + side, x : x + side]), _MIN_OTHERS_SCORE
            ):
                self._add_person(people, rgb, detection.shift(x, y), max_disagreement)
        return sorted(people, key=lambda person: -person.area)

    def track(
        self, rgb: np.ndarray, person: BlazePosePerson, max_disagreement: float | None = None
    ) -> BlazePosePerson | None:
        """Find the same person in a frame soon after; None if lost. Without a limit the mirror check is skipped."""
        return self._detect_in_roi(rgb, person.points.make_roi(), max_disagreement)

    def _add_person(
        self, people: list[BlazePosePerson], rgb: np.ndarray, detection: Detection, limit: float
    ) -> BlazePosePerson | None:
        """Return the detected person, new or known; add a new one to `people`."""
        known = next((p for p in people if _has_torso_at(p, detection.points[[0, 2]].mean(axis=0))), None)
        if known:
            return known
        person = self._detect_in_roi(rgb, detection.make_roi(), limit)
        if person is None:
            return None
        known = next((p for p in people if _is_same_person(p, person)), None)
        if known is None:
            people.append(person)
        return known or person

    def _detect_in_roi(self, rgb: np.ndarray, roi: Roi | None, limit: float | None) -> BlazePosePerson | None:
        if roi is None:
            return None
        crop = self.landmarker.crop_input(rgb, roi)
        points = self.landmarker.detect_landmarks(crop, roi)
        if points.presence < MIN_PRESENCE:
            return None
        if limit is not None and self._measure_mirror_disagreement(points, crop, roi) > limit:
            return None
        height, width = rgb.shape[:2]
        box = compute_body_box(points.keypoints, width, height)
        if (box[2:] - box[:2]).min() < 1:
            return None
        legs = points.visibility[_LEGS] * is_inside_frame(points.keypoints[_LEGS], width, height)
        return BlazePosePerson(box, points, float(legs.mean()))

    def _measure_mirror_disagreement(self, points: BodyPoints, crop: np.ndarray, roi: Roi) -> float:
        """Measure the distance between the torsos of the mirrored and the plain crop, as a share of the crop's side.

        It is about 0.005 on people and rarely over 0.02; on objects that resemble a person it is larger, whatever the
        model's confidence.
        """
        mirrored = self.landmarker.detect_landmarks(crop, roi, mirror=True)
        if mirrored.presence < MIN_PRESENCE:
            return float("inf")
        torso = points.keypoints[_TORSO]
        # In profile the model may swap left and right of the whole body: a wrong pose, but still a person.
        apart = [np.linalg.norm(torso - mirrored.keypoints[side], axis=1).mean() for side in (_TORSO, _TORSO_SWAPPED)]
        return float(min(apart)) / roi.size


def compute_tiles(width: int, height: int) -> list[tuple[int, int, int]]:
    """Compute (x, y, side) px of three overlapping squares that cover a long frame; none for a nearly square one."""
    side, length = min(width, height), max(width, height)
    if length < _TILE_FROM * side:
        return []
    starts = (0, (length - side) // 2, length - side)
    return [(start, 0, side) if width > height else (0, start, side) for start in starts]


def _measure_body_size(person: BlazePosePerson) -> float:
    return float(np.ptp(person.points.keypoints, axis=0).max())


def _has_torso_at(person: BlazePosePerson, centre: np.ndarray) -> bool:
    apart = np.linalg.norm(person.points.keypoints[_TORSO].mean(axis=0) - centre)
    return bool(apart < _SAME_BODY * _measure_body_size(person))


def _is_same_person(a: BlazePosePerson, b: BlazePosePerson) -> bool:
    """Tell whether both are one body; also compares ankles, since half a body may be detected as a smaller one."""
    if _has_torso_at(a, b.points.keypoints[_TORSO].mean(axis=0)):
        return True
    there = a.points.keypoints[_ANKLES]
    apart = [np.linalg.norm(there - b.points.keypoints[ankles], axis=1).mean() for ankles in (_ANKLES, _ANKLES[::-1])]
    return bool(min(apart) < _SAME_BODY * max(_measure_body_size(a), _measure_body_size(b)))


def _compute_detected_box(detection: Detection) -> np.ndarray:
    """Compute the box of the detector's face box and two centres, if the landmark model finds no person."""
    points = np.vstack([detection.box_xyxy.reshape(2, 2), detection.points[[0, 2]]])
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def _paint_out(image: np.ndarray, box: np.ndarray, colour: list[float]) -> None:
    margin = _PAINT_MARGIN * (box[2:] - box[:2])
    low, high = np.floor(box[:2] - margin).astype(int), np.ceil(box[2:] + margin).astype(int)
    cv2.rectangle(image, tuple(map(int, low)), tuple(map(int, high)), colour, thickness=-1)
