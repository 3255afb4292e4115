"""Landmarks on every frame of a clip, from the plain and the mirrored crop."""

from collections.abc import Sequence

import numpy as np

from annotators.blazepose.landmarker import MIN_PRESENCE, BodyPoints
from annotators.blazepose.people import PeopleDetector, compute_body_box, compute_iou, is_inside_frame
from annotators.blazepose.roi import Roi, make_roi_from_points
from annotators.track_boxes import interpolate_boxes
from humove.motion.skeletons import MEDIAPIPE_33
from humove.reasons import Reason
from humove.stage import Reject
from humove.types import Landmarks, PersonTrack
from humove.video.frames import Frames

_MIN_OVERLAP = 0.1
"""Below this overlap with the person's box the landmark model has drifted to something else."""
_STEADY = 0.5
"""Weight of the past in the crop's position. The landmarks move by some 15 mm when the crop moves by one of its
pixels, so a steadier crop gives steadier landmarks; a larger weight would lag behind fast people."""


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
        """Load both models; they run on the CPU whatever `device` is."""
        self._people = PeopleDetector()

    def annotate(self, batch: Sequence[tuple[Frames, PersonTrack]]) -> list[Landmarks | Reject]:
        """Detect the landmarks of each clip; rejected (no_person) if no frame shows the person."""
        return [self._annotate_clip(frames, track) for frames, track in batch]

    def _annotate_clip(self, frames: Frames, track: PersonTrack) -> Landmarks | Reject:
        count, points = len(frames), len(MEDIAPIPE_33)
        keypoints, mirror_keypoints = (np.zeros((count, points, 2), np.float32) for _ in range(2))
        world, mirror_world = (np.zeros((count, points, 3), np.float32) for _ in range(2))
        scores = np.zeros((count, points), np.float32)
        found = np.zeros(count, bool)
        boxes = interpolate_boxes(track, count)
        guides: np.ndarray | None = None
        for i in range(count):
            rgb = frames.read_rgb(i)
            expected = None if guides is None else make_roi_from_points(guides[0], guides[1])
            plain, roi, crop = self._find_body(rgb, boxes[i], expected)
            if plain is None:
                guides = None
                continue
            mirrored = self._people.landmarker.detect_landmarks(crop, roi, mirror=True)
            steady = guides is not None and roi is expected
            guides = _STEADY * guides + (1 - _STEADY) * plain.guides if steady else plain.guides
            found[i] = True
            keypoints[i], world[i] = plain.keypoints, plain.world
            mirror_keypoints[i], mirror_world[i] = mirrored.keypoints, mirrored.world
            scores[i] = plain.scores * is_inside_frame(plain.keypoints, frames.width, frames.height)
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

    def _find_body(
        self, rgb: np.ndarray, box: np.ndarray, expected: Roi | None
    ) -> tuple[BodyPoints | None, Roi | None, np.ndarray | None]:
        """Return the points, their square and crop, or three None. The square is tried at the place expected from
        the last frame, then at the detector's, then at the track's."""
        landmarker = self._people.landmarker
        height, width = rgb.shape[:2]
        for propose in (lambda: expected, lambda: self._detect_roi(rgb, box), lambda: make_roi_from_box(box)):
            roi = propose()
            if roi is None:
                continue
            crop = landmarker.crop_input(rgb, roi)
            points = landmarker.detect_landmarks(crop, roi)
            on_track = compute_iou(compute_body_box(points.keypoints, width, height), box) >= _MIN_OVERLAP
            if points.presence >= MIN_PRESENCE and on_track:
                return points, roi, crop
        return None, None, None

    def _detect_roi(self, rgb: np.ndarray, box: np.ndarray) -> Roi | None:
        """Make the square of the best detection whose hips lie in the person's box."""
        for detection in self._people.detector.detect(rgb):
            hips = detection.points[0]
            if (hips >= box[:2]).all() and (hips <= box[2:]).all():
                return detection.make_roi()
        return None


def make_roi_from_box(box: np.ndarray) -> Roi:
    """Make an upright square centred on the box."""
    centre = (box[:2] + box[2:]) / 2
    return Roi(float(centre[0]), float(centre[1]), 1.25 * float((box[2:] - box[:2]).max()), 0.0)
