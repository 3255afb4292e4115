"""Top-down keypoints: one model, run on the person's box in every frame of a clip, many frames at once."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from annotators.batches import in_batches
from annotators.track_boxes import boxes_on_every_frame
from humove.reasons import Reason
from humove.skeletons import SKELETONS
from humove.stage import Reject
from humove.types import PersonTrack, Pose2D

_HALF_PIXEL = 0.5
"""COCO's keypoints, and so these models' own coordinates, are numbers of pixels: 0 is the middle of the first one. Ours
are distances from the picture's corner."""

Points = tuple[np.ndarray, np.ndarray]
"""One frame's keypoints (K, 2) and scores (K,), in numbers of pixels."""
Run = Callable[[Sequence[np.ndarray], np.ndarray], Sequence[Points]]
"""Frames (H, W, 3) uint8 RGB and boxes (B, 4) in numbers of pixels, one for each frame -> the points of each."""


class Frames(Protocol):
    """What is read of `humove.video.frames.ClipFrames`."""

    width: int
    height: int

    def __len__(self) -> int: ...

    def rgb(self, index: int) -> np.ndarray: ...


def keypoints_along(frames: Frames, track: PersonTrack, run: Run, *, skeleton: str, batch_size: int) -> Pose2D | Reject:
    """The person's keypoints on every frame, px; rejected (no_person) when no point is seen on any frame.

    Scores are cut to 0..1, since these models' heights of a peak may pass 1; a point outside the picture has 0.
    ValueError where the model's answer is not finite.
    """
    count = len(frames)
    boxes = (boxes_on_every_frame(track, count) - _HALF_PIXEL).astype(np.float32)

    def batch(rows: Sequence[int]) -> Sequence[Points]:
        return run([frames.rgb(row) for row in rows], boxes[list(rows)])

    points = in_batches(range(count), batch, batch_size)
    keypoints = np.stack([xy for xy, _ in points]).astype(np.float32) + np.float32(_HALF_PIXEL)
    scores = np.stack([score for _, score in points]).astype(np.float32)
    if not (np.isfinite(keypoints).all() and np.isfinite(scores).all()):
        raise ValueError("the model's keypoints are not finite: damaged weights, or too large for half precision")
    inside = ((keypoints >= 0) & (keypoints < [frames.width, frames.height])).all(axis=-1)
    scores = np.clip(scores, 0, 1) * inside
    if not scores.any():
        return Reject(reason=Reason.NO_PERSON, detail="no frame shows a point of the person's body", score=0.0)
    return Pose2D(keypoints=keypoints, scores=scores, skeleton=skeleton, names=SKELETONS[skeleton])
