"""Keypoints of one person in frames in memory: whether a person is there, and in which pose."""

import numpy as np

from annotators.blazepose.pose2d import BlazePosePose2D
from annotators.blazepose.tracks import BlazePoseTracks
from annotators.main_person import SamplingConfig
from humove.motion.skeletons import MEDIAPIPE_33
from humove.stage import Reject
from humove.types import Pose2D
from humove.video.frames import ArrayFrames

_SINGLE_PERSON = SamplingConfig(repaints=0, track_every=1)
"""No other people are searched. On the demo's clips it finds the same as the default, in a third of the time."""


class FrameKeypoints:
    """The default build's track and pose2d annotators, run one after the other.

    Frames may be small: both models resize their crops to their own input size. On the demo's clips at 96x128 px the
    keypoints are as close to the stored motion as on the same clips enlarged to a short side of 192, 256, 384 or
    512 px (1.4 % of the person's height in each case), so frames are not enlarged.
    """

    def __init__(self) -> None:
        """Load the models. UserError if their weights are missing."""
        self._tracks, self._pose2d = BlazePoseTracks(_SINGLE_PERSON), BlazePosePose2D()
        for each in (self._tracks, self._pose2d):
            each.load("cpu")

    def __call__(self, images: np.ndarray, fps: int) -> Pose2D:
        """Detect keypoints, px, in images (T, H, W, 3) uint8 RGB of even sides; scores are 0 where nobody was found."""
        frames = ArrayFrames(images, fps)
        (person,) = self._tracks.annotate([frames])
        if person.track is not None:
            (found,) = self._pose2d.annotate([(frames, person.track)])
            if not isinstance(found, Reject):
                return Pose2D(
                    keypoints=found.keypoints, scores=found.scores, skeleton=found.skeleton, names=found.names
                )
        shape = (len(images), len(MEDIAPIPE_33))
        return Pose2D(
            keypoints=np.zeros((*shape, 2), np.float32),
            scores=np.zeros(shape, np.float32),
            skeleton="mediapipe_33",
            names=MEDIAPIPE_33,
        )
