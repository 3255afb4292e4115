"""Top-down keypoints: one model run on the person's box in every frame of a clip, in batches."""

from collections.abc import Callable, Sequence

import numpy as np

from annotators.batches import run_in_batches
from annotators.track_boxes import interpolate_boxes
from humove.motion.skeletons import SKELETONS
from humove.reasons import Reason
from humove.stage import Reject
from humove.types import PersonTrack, Pose2D
from humove.video.frames import Frames

_HALF_PIXEL = 0.5
"""COCO's keypoints, and so these models' coordinates, are pixel indices: 0 is the centre of the first pixel. Ours are
distances from the frame's corner."""

Points = tuple[np.ndarray, np.ndarray]
"""One frame's keypoints (K, 2), in pixel indices, and scores (K,)."""
RunModel = Callable[[Sequence[np.ndarray], np.ndarray], Sequence[Points]]
"""Frames (H, W, 3) uint8 RGB and boxes (B, 4) in pixel indices, one for each frame -> the points of each."""


def detect_keypoints(
    frames: Frames, track: PersonTrack, run: RunModel, *, skeleton: str, batch_size: int
) -> Pose2D | Reject:
    """Detect the person's keypoints on every frame, px; rejected (no_person) if no frame has a visible point.

    Scores are clipped to 0..1, since these models' peaks may exceed 1; a point outside the frame has 0.
    ValueError if the model's output is not finite.
    """
    count = len(frames)
    boxes = (interpolate_boxes(track, count) - _HALF_PIXEL).astype(np.float32)

    def run_batch(rows: Sequence[int]) -> Sequence[Points]:
        return run([frames.read_rgb(row) for row in rows], boxes[list(rows)])

    points = run_in_batches(range(count), run_batch, batch_size)
    keypoints = np.stack([xy for xy, _ in points]).astype(np.float32) + np.float32(_HALF_PIXEL)
    scores = np.stack([score for _, score in points]).astype(np.float32)
    if not (np.isfinite(keypoints).all() and np.isfinite(scores).all()):
        raise ValueError("the model's keypoints are not finite: damaged weights, or too large for half precision")
    inside = ((keypoints >= 0) & (keypoints < [frames.width, frames.height])).all(axis=-1)
    scores = np.clip(scores, 0, 1) * inside
    if not scores.any():
        return Reject(reason=Reason.NO_PERSON, detail="no frame shows a point of the person's body", score=0.0)
    return Pose2D(keypoints=keypoints, scores=scores, skeleton=skeleton, names=SKELETONS[skeleton])
