"""Everyone in one picture, and the same person in the next one."""

from dataclasses import dataclass

import cv2
import numpy as np

from annotators import weights
from annotators.blazepose.detector import MIN_SCORE, Detection, PoseDetector
from annotators.blazepose.landmarker import MIN_PRESENCE, BodyPoints, PoseLandmarker
from annotators.blazepose.roi import Roi
from humove.skeletons import MEDIAPIPE_33

_PAINT_MARGIN = 0.08
_SAME_BODY = 0.12
"""Two finds are one person when their torsos, or their ankles, are nearer than this share of the larger body."""
_MIN_SCORE_OF_OTHERS = 0.3
"""The detector scores others than the main person low; what it then finds too much, the mirror sorts out."""
_TILE_FROM = 1.2
"""Frames longer than this many times their shorter side are searched in square tiles as well."""
_SHOULDERS = [MEDIAPIPE_33.index("left_shoulder"), MEDIAPIPE_33.index("right_shoulder")]
_TORSO = [*_SHOULDERS, MEDIAPIPE_33.index("left_hip"), MEDIAPIPE_33.index("right_hip")]
_ANKLES = [MEDIAPIPE_33.index("left_ankle"), MEDIAPIPE_33.index("right_ankle")]
_TORSO_SWAPPED = [_TORSO[k] for k in (1, 0, 3, 2)]
_NOSE = MEDIAPIPE_33.index("nose")
_LEGS = [MEDIAPIPE_33.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("knee", "ankle")]


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """One person in one picture."""

    box_xyxy: np.ndarray
    """(4,) float64 px: the whole body, cut at the picture's edge."""
    points: BodyPoints
    leg_visibility: float
    """0..1: mean of knees and ankles; a point outside the picture counts as 0."""

    @property
    def presence(self) -> float:
        """0..1: how sure the model is that this is a person."""
        return self.points.presence

    @property
    def area(self) -> float:
        """Of the box, px^2."""
        return float((self.box_xyxy[2] - self.box_xyxy[0]) * (self.box_xyxy[3] - self.box_xyxy[1]))


def body_box(keypoints: np.ndarray, width: int, height: int) -> np.ndarray:
    """The box of a whole body from its (33, 2) points, cut at the picture's edge; (4,) px.

    The detector's own box is about the face alone. The points end at the eyes, so the crown is put as far above the
    nose as 0.7 of the way from the shoulders to the nose; joints lie inside the flesh, hence 4 % on each side.
    """
    crown = keypoints[_NOSE] + 0.7 * (keypoints[_NOSE] - keypoints[_SHOULDERS].mean(axis=0))
    points = np.vstack([keypoints, crown])
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.04 * float((high - low).max())
    limit = np.array([width, height], dtype=np.float64)
    return np.concatenate([np.clip(low - margin, 0, limit), np.clip(high + margin, 0, limit)])


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes, (4,) each."""
    sides = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
    both = float(sides.prod())
    union = float((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod()) - both
    return both / union if union > 0 else 0.0


def inside(points: np.ndarray, width: int, height: int) -> np.ndarray:
    """(..., 2) px to (...) bool: whether a point lies in the picture."""
    return ((points >= 0) & (points < [width, height])).all(axis=-1)


class PeopleFinder:
    """The detector and the landmark model, loaded."""

    def __init__(self) -> None:
        self.detector = PoseDetector(weights.resolve("blazepose_detector"))
        self.landmarker = PoseLandmarker(weights.resolve("blazepose_landmarks"))

    def find(self, rgb: np.ndarray, repaints: int, max_disagreement: float) -> list[Person]:
        """Everyone in the picture, largest first.

        The detector sees one person well and a second one badly. So the one found is painted over with the picture's
        mean colour and the rest is searched again, up to `repaints` times; and a long picture is searched in square
        tiles as well, where people are larger.
        """
        people: list[Person] = []
        picture, mean = rgb, None
        for turn in range(repaints + 1):
            detections = self.detector.detect(picture, _MIN_SCORE_OF_OTHERS if people else MIN_SCORE)
            if not detections:
                break
            found = [(d, self._add(people, picture, d, max_disagreement)) for d in detections]
            if turn == repaints:
                break
            if mean is None:
                picture, mean = rgb.copy(), [float(c) for c in rgb.reshape(-1, 3).mean(axis=0)]
            for detection, person in found:
                _paint_out(picture, person.box_xyxy if person else _detected_box(detection), mean)
        # Tiles only where somebody was found: close up, many a thing resembles a person.
        for x, y, side in tiles(rgb.shape[1], rgb.shape[0]) if people and repaints else ():
            for detection in self.detector.detect(
                np.ascontiguousarray(rgb[y : y + side, x : x + side]), _MIN_SCORE_OF_OTHERS
            ):
                self._add(people, rgb, detection.moved(x, y), max_disagreement)
        return sorted(people, key=lambda person: -person.area)

    def follow(self, rgb: np.ndarray, person: Person, max_disagreement: float | None = None) -> Person | None:
        """The same person in a picture soon after; None when lost. Without a limit the mirror is not asked."""
        return self._look(rgb, person.points.roi(), max_disagreement)

    def _add(self, people: list[Person], rgb: np.ndarray, detection: Detection, limit: float) -> Person | None:
        """The person detected, new or known; a new one goes to `people`."""
        known = next((p for p in people if _same_torso(p, detection.points[[0, 2]].mean(axis=0))), None)
        if known:
            return known
        person = self._look(rgb, detection.roi(), limit)
        if person is None:
            return None
        known = next((p for p in people if _same(p, person)), None)
        if known is None:
            people.append(person)
        return known or person

    def _look(self, rgb: np.ndarray, roi: Roi | None, limit: float | None) -> Person | None:
        if roi is None:
            return None
        crop = self.landmarker.crop(rgb, roi)
        points = self.landmarker.read(crop, roi)
        if points.presence < MIN_PRESENCE:
            return None
        if limit is not None and self._disagreement(points, crop, roi) > limit:
            return None
        height, width = rgb.shape[:2]
        box = body_box(points.keypoints, width, height)
        if (box[2:] - box[:2]).min() < 1:
            return None
        legs = points.visibility[_LEGS] * inside(points.keypoints[_LEGS], width, height)
        return Person(box, points, float(legs.mean()))

    def _disagreement(self, points: BodyPoints, crop: np.ndarray, roi: Roi) -> float:
        """How far the torso in the mirrored picture lies from the torso in the straight one, as a share of the square.

        On people it is about 0.005 and seldom over 0.02; on things that merely resemble one it is larger, however sure
        of itself the model is.
        """
        mirrored = self.landmarker.read(crop, roi, mirror=True)
        if mirrored.presence < MIN_PRESENCE:
            return float("inf")
        torso = points.keypoints[_TORSO]
        # In profile the model may swap left and right over the whole body: wrong, but still a person.
        apart = [np.linalg.norm(torso - mirrored.keypoints[side], axis=1).mean() for side in (_TORSO, _TORSO_SWAPPED)]
        return float(min(apart)) / roi.size


def tiles(width: int, height: int) -> list[tuple[int, int, int]]:
    """(x, y, side) px of three overlapping squares that cover a long picture; none for one that is nearly square."""
    side, length = min(width, height), max(width, height)
    if length < _TILE_FROM * side:
        return []
    starts = (0, (length - side) // 2, length - side)
    return [(start, 0, side) if width > height else (0, start, side) for start in starts]


def _size(person: Person) -> float:
    return float(np.ptp(person.points.keypoints, axis=0).max())


def _same_torso(person: Person, centre: np.ndarray) -> bool:
    apart = np.linalg.norm(person.points.keypoints[_TORSO].mean(axis=0) - centre)
    return bool(apart < _SAME_BODY * _size(person))


def _same(a: Person, b: Person) -> bool:
    """Whether both are one body; ankles tell, too, since half a body is at times taken for a smaller one."""
    if _same_torso(a, b.points.keypoints[_TORSO].mean(axis=0)):
        return True
    there = a.points.keypoints[_ANKLES]
    apart = [np.linalg.norm(there - b.points.keypoints[ankles], axis=1).mean() for ankles in (_ANKLES, _ANKLES[::-1])]
    return bool(min(apart) < _SAME_BODY * max(_size(a), _size(b)))


def _detected_box(detection: Detection) -> np.ndarray:
    """The detector's face box and its two centres, when the landmark model denies the person."""
    points = np.vstack([detection.box_xyxy.reshape(2, 2), detection.points[[0, 2]]])
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def _paint_out(picture: np.ndarray, box: np.ndarray, colour: list[float]) -> None:
    margin = _PAINT_MARGIN * (box[2:] - box[:2])
    low, high = np.floor(box[:2] - margin).astype(int), np.ceil(box[2:] + margin).astype(int)
    cv2.rectangle(picture, tuple(map(int, low)), tuple(map(int, high)), colour, thickness=-1)
