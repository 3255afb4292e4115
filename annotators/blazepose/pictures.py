"""Keypoints of one person in pictures that lie in memory: to see whether somebody is there, and in what pose."""

import numpy as np

from annotators.blazepose.pose2d import BlazePosePose2D
from annotators.blazepose.tracks import BlazePoseTracks
from annotators.main_person import SamplingConfig
from humove.skeletons import MEDIAPIPE_33
from humove.stage import Reject
from humove.types import Pose2D
from humove.video.frames import ArrayFrames

_ALONE = SamplingConfig(repaints=0, track_every=1)
"""Nobody else is searched for. On the demo's clips it finds what the usual search does, in a third of the time."""


class PictureKeypoints:
    """The annotators of the default build, one after the other.

    Pictures may be small: both models bring what they look at to squares of their own size. On the demo's clips at
    96x128 px the keypoints lie as near to the stored motion as on the same enlarged to a short side of 192, 256, 384
    or 512 px (1.4 % of the person's height, every time), so nothing is enlarged first.
    """

    def __init__(self) -> None:
        """Loads the models. UserError where their weights are not there."""
        self._tracks, self._pose2d = BlazePoseTracks(_ALONE), BlazePosePose2D()
        for each in (self._tracks, self._pose2d):
            each.load("cpu")

    def __call__(self, pictures: np.ndarray, fps: int) -> Pose2D:
        """Keypoints in pictures (T, H, W, 3) uint8 RGB of even sides, px; scores of 0 where nobody was found."""
        frames = ArrayFrames(pictures, fps)
        (person,) = self._tracks.annotate([frames])
        if person.track is not None:
            (found,) = self._pose2d.annotate([(frames, person.track)])
            if not isinstance(found, Reject):
                return Pose2D(
                    keypoints=found.keypoints, scores=found.scores, skeleton=found.skeleton, names=found.names
                )
        shape = (len(pictures), len(MEDIAPIPE_33))
        return Pose2D(
            keypoints=np.zeros((*shape, 2), np.float32),
            scores=np.zeros(shape, np.float32),
            skeleton="mediapipe_33",
            names=MEDIAPIPE_33,
        )
