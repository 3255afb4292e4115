"""Landmarks on every frame of a clip, seen straight and in the mirror."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from annotators.blazepose.landmarker import MIN_PRESENCE, BodyPoints
from annotators.blazepose.people import PeopleFinder, body_box, inside, overlap
from annotators.blazepose.roi import Roi, roi_from_points
from annotators.track_boxes import boxes_on_every_frame
from humove.reasons import Reason
from humove.skeletons import MEDIAPIPE_33
from humove.stage import Reject
from humove.types import Landmarks, PersonTrack

_MIN_OVERLAP = 0.1
"""Below this overlap with the person's box the landmark model has wandered off to something else."""


_STEADY = 0.5
"""Weight of the past in the square's place. The model's answer moves by some 15 mm when the square moves by one of its
pixels, so a steadier square means steadier landmarks; more would lag behind fast people."""


class Frames(Protocol):
    """What is read of `humove.video.frames.ClipFrames`."""

    width: int
    height: int

    def __len__(self) -> int: ...

    def rgb(self, index: int) -> np.ndarray: ...


class BlazePosePose2D:
    """BlazePose's 33 landmarks along a person's track; skeleton "mediapipe_33"."""

    name = "blazepose"
    gives_landmarks = True
    version = "1"
    licence = "Apache-2.0"
    rights = "permissive"
    cpu_only = True
    weights = ("blazepose_detector", "blazepose_landmarks")

    def load(self, device: str) -> None:
        """Loads both models; they run on the CPU whatever `device` says."""
        self._finder = PeopleFinder()

    def annotate(self, batch: Sequence[tuple[Frames, PersonTrack]]) -> list[Landmarks | Reject]:
        """The landmarks of each clip; rejected (no_person) when no frame shows the person."""
        return [self._clip(frames, track) for frames, track in batch]

    def _clip(self, frames: Frames, track: PersonTrack) -> Landmarks | Reject:
        count, points = len(frames), len(MEDIAPIPE_33)
        keypoints, mirror_keypoints = (np.zeros((count, points, 2), np.float32) for _ in range(2))
        world, mirror_world = (np.zeros((count, points, 3), np.float32) for _ in range(2))
        scores = np.zeros((count, points), np.float32)
        found = np.zeros(count, bool)
        boxes = boxes_on_every_frame(track, count)
        guides: np.ndarray | None = None
        for i in range(count):
            rgb = frames.rgb(i)
            expected = None if guides is None else roi_from_points(guides[0], guides[1])
            straight, looked_at, crop = self._look(rgb, boxes[i], expected)
            if straight is None:
                guides = None
                continue
            mirrored = self._finder.landmarker.read(crop, looked_at, mirror=True)
            steady = guides is not None and looked_at is expected
            guides = _STEADY * guides + (1 - _STEADY) * straight.guides if steady else straight.guides
            found[i] = True
            keypoints[i], world[i] = straight.keypoints, straight.world
            mirror_keypoints[i], mirror_world[i] = mirrored.keypoints, mirrored.world
            scores[i] = straight.scores * inside(straight.keypoints, frames.width, frames.height)
        if not found.any():
            return Reject(reason=Reason.NO_PERSON, detail="no frame shows the person's body", score=0.0)
        return Landmarks(
            keypoints=keypoints,
            scores=scores,
            skeleton="mediapipe_33",
            names=MEDIAPIPE_33,
            world=world,
            mirror_keypoints=mirror_keypoints,
            mirror_world=mirror_world,
            found=found,
        )

    def _look(
        self, rgb: np.ndarray, box: np.ndarray, expected: Roi | None
    ) -> tuple[BodyPoints | None, Roi | None, np.ndarray | None]:
        """The points, the square and the crop they were read from: looking where the last
        frame says, then where the detector says, then where the track says; or None thrice."""
        landmarker = self._finder.landmarker
        height, width = rgb.shape[:2]
        for place in (lambda: expected, lambda: self._detected(rgb, box), lambda: roi_of_box(box)):
            where = place()
            if where is None:
                continue
            crop = landmarker.crop(rgb, where)
            points = landmarker.read(crop, where)
            on_track = overlap(body_box(points.keypoints, width, height), box) >= _MIN_OVERLAP
            if points.presence >= MIN_PRESENCE and on_track:
                return points, where, crop
        return None, None, None

    def _detected(self, rgb: np.ndarray, box: np.ndarray) -> Roi | None:
        """The best detection whose hips lie in the person's box."""
        for detection in self._finder.detector.detect(rgb):
            hips = detection.points[0]
            if (hips >= box[:2]).all() and (hips <= box[2:]).all():
                return detection.roi()
        return None


def roi_of_box(box: np.ndarray) -> Roi:
    """An upright square with the box in its middle."""
    centre = (box[:2] + box[2:]) / 2
    return Roi(float(centre[0]), float(centre[1]), 1.25 * float((box[2:] - box[:2]).max()), 0.0)
