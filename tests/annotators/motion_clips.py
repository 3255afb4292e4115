"""Clips for motion annotators, from a test's images."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from annotators.motion_clip import MotionClip
from humove.ids import format_clip_id
from humove.motion.camera import intrinsics_from_fov
from humove.types import Clip, PersonTrack, Pose2D, Source, VideoRef
from humove.video.frames import ArrayFrames

VIDEO_ID = "0123456789abcdef"


def make_motion_clip(
    images: Sequence[np.ndarray] | None = None,
    *,
    frames: int = 20,
    size: tuple[int, int] = (320, 240),
    start: int = 0,
    video_frames: int | None = None,
    video_size: tuple[int, int] | None = None,
    uri: str = "people/walk.mp4",
    track_frames: Sequence[int] | None = None,
    box: tuple[float, float, float, float] = (100, 20, 220, 220),
) -> MotionClip:
    """Make a clip. `size`: width and height of the frames; the person's box is the same on every frame of the track."""
    n = len(images) if images is not None else frames
    width, height = size
    video = VideoRef(
        video_id=VIDEO_ID, uri=uri, width=(video_size or size)[0], height=(video_size or size)[1], fps=Fraction(30),
        num_frames=video_frames or start + n, source=Source(),
    )  # fmt: skip
    clip = Clip(
        clip_id=format_clip_id(VIDEO_ID, 0, 0), video=video, shot_index=0, start_frame=start, end_frame=start + n
    )
    at = np.arange(n) if track_frames is None else np.asarray(track_frames)
    track = PersonTrack(
        frames=at.astype(np.int64),
        boxes_xyxy=np.tile(np.float32(box), (len(at), 1)),
        scores=np.ones(len(at), np.float32),
    )

    def open_frames() -> ArrayFrames:
        assert images is not None, "nothing is to be decoded"
        return ArrayFrames(images, 30)

    keypoints = Pose2D(
        keypoints=np.zeros((n, 1, 2), np.float32), scores=np.ones((n, 1), np.float32), skeleton="one", names=("nose",)
    )
    return MotionClip(
        landmarks=keypoints, fps=30.0, width=width, height=height, intrinsics=intrinsics_from_fov(width, height, 55.0),
        source_frames=np.arange(start, start + n), track=track, clip=clip, open_frames=open_frames,
    )  # fmt: skip
