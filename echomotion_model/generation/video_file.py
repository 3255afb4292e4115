"""The beginning of a video file of one's own, as a condition."""

import tempfile
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from echomotion_model.data.fit import Fit
from echomotion_model.data.window import nearest_frames
from echomotion_model.generation.condition import FOV_DEG, Condition, fitted
from echomotion_model.generation.window import window_from_start
from humove.camera import intrinsics_from_fov
from humove.errors import UserError
from humove.stage import Reject
from humove.types import Pose2D
from humove.video.decode import SeekError, open_stream
from humove.video.frames import ClipFrames
from humove.video.probe import Probe, probe
from humove.video.scan import Scan, Unit, join, scan_unit
from shards.buckets import BucketConfig

_MARGIN_S = 0.5


def from_video_file(path: Path, buckets: BucketConfig) -> Condition:
    """The clip that the file begins with, upright, at the model's rate, as long as the longest bucket that it fills;
    scaled to cover the bucket of the nearest shape and cut about the middle. No more of the file is decoded.

    UserError, one line, where it can't be read or is too short.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such video file")
    try:
        told = probe(path)
        found = told if isinstance(told, Reject) else _scan_start(path, told, buckets.max_frames / buckets.fps)
        if isinstance(found, Reject):
            raise UserError(f"{path}: {found.reason}: {found.detail}")
        return _decoded(path, told, found, buckets)
    except (OSError, SeekError, av.FFmpegError) as error:
        raise UserError(f"{path}: can't be read: {' '.join(str(error).split())}") from error


def _scan_start(path: Path, told: Probe, seconds: float) -> Scan | Reject:
    container, stream = open_stream(path)
    with container:
        begins = stream.start_time or 0
    end = begins + round((seconds + _MARGIN_S) / told.time_base)
    return join(path, told, [scan_unit(path, told, Unit(end_pts=end))])


def _decoded(path: Path, told: Probe, scan: Scan, buckets: BucketConfig) -> Condition:
    with (
        tempfile.TemporaryDirectory(prefix="humove-") as scratch,
        ClipFrames(
            path, probe=told, scan=scan, start_frame=0, end_frame=scan.num_frames, scratch=Path(scratch)
        ) as frames,
    ):
        fps = float(frames.fps)
        bucket, fit = fitted(path, len(frames), fps, frames.width, frames.height, _nobody, buckets)
        scaler = VideoReformatter()
        wanted = nearest_frames(window_from_start(bucket.frames, fps, buckets.fps))
        shown = {index: _scaled(frames.rgb(index), fit, scaler) for index in np.unique(wanted).tolist()}
    return Condition(
        bucket=bucket,
        cam_intrinsics=fit.intrinsics(intrinsics_from_fov(fit.width, fit.height, FOV_DEG)),
        video=np.stack([shown[index] for index in wanted.tolist()]),
    )


def _nobody() -> Pose2D:
    """Nothing is known of where the person is."""
    return Pose2D(
        keypoints=np.zeros((1, 0, 2), np.float32), scores=np.zeros((1, 0), np.float32), skeleton="none", names=()
    )


def _scaled(rgb: np.ndarray, fit: Fit, scaler: VideoReformatter) -> np.ndarray:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    whole = scaler.reformat(
        frame, fit.scaled_width, fit.scaled_height, "rgb24", interpolation=Interpolation.BICUBIC
    ).to_ndarray()  # fmt: skip
    return whole[fit.top : fit.top + fit.out_height, fit.left : fit.left + fit.out_width]
