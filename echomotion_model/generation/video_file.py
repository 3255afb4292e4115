"""The start of a user's video file as a condition."""

import tempfile
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from echomotion_model.data.fit import ResizeCrop
from echomotion_model.data.window import find_nearest_frames
from echomotion_model.generation.condition import FOV_DEG, Condition, fit_to_bucket
from echomotion_model.generation.window import compute_window_instants
from humove.errors import UserError
from humove.motion.camera import intrinsics_from_fov
from humove.stage import Reject
from humove.types import Pose2D
from humove.video.decode import SeekError, open_stream
from humove.video.frames import ClipFrames
from humove.video.probe import Probe, probe_video
from humove.video.scan import Scan, ScanUnit, join_parts, scan_unit
from shards.buckets import BucketConfig

_MARGIN_S = 0.5


def read_video_condition(path: Path, buckets: BucketConfig) -> Condition:
    """Read the start of a video file, upright, at the model's rate, as long as the longest bucket that it fills; scaled
    to cover the bucket of the nearest shape and cropped at the centre. No more of the file is decoded.

    UserError, one line, if it can't be read or is too short.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such video file")
    try:
        probe = probe_video(path)
        found = probe if isinstance(probe, Reject) else _scan_start(path, probe, buckets.max_frames / buckets.fps)
        if isinstance(found, Reject):
            raise UserError(f"{path}: {found.reason}: {found.detail}")
        return _decode_window(path, probe, found, buckets)
    except (OSError, SeekError, av.FFmpegError) as error:
        raise UserError(f"{path}: can't be read: {' '.join(str(error).split())}") from error


def _scan_start(path: Path, probe: Probe, seconds: float) -> Scan | Reject:
    container, stream = open_stream(path)
    with container:
        start_pts = stream.start_time or 0
    end = start_pts + round((seconds + _MARGIN_S) / probe.time_base)
    return join_parts(path, probe, [scan_unit(path, probe, ScanUnit(end_pts=end))])


def _decode_window(path: Path, probe: Probe, scan: Scan, buckets: BucketConfig) -> Condition:
    with (
        tempfile.TemporaryDirectory(prefix="humove-") as scratch,
        ClipFrames(
            path, probe=probe, scan=scan, start_frame=0, end_frame=scan.num_frames, scratch=Path(scratch)
        ) as frames,
    ):
        fps = float(frames.fps)
        bucket, fit = fit_to_bucket(path, len(frames), fps, frames.width, frames.height, _make_empty_pose, buckets)
        scaler = VideoReformatter()
        wanted = find_nearest_frames(compute_window_instants(bucket.frames, fps, buckets.fps))
        scaled = {index: _scale_frame(frames.read_rgb(index), fit, scaler) for index in np.unique(wanted).tolist()}
    return Condition(
        bucket=bucket,
        cam_intrinsics=fit.map_intrinsics(intrinsics_from_fov(fit.width, fit.height, FOV_DEG)),
        video=np.stack([scaled[index] for index in wanted.tolist()]),
    )


def _make_empty_pose() -> Pose2D:
    """Return a pose without keypoints: the person's position is unknown."""
    return Pose2D(
        keypoints=np.zeros((1, 0, 2), np.float32), scores=np.zeros((1, 0), np.float32), skeleton="none", names=()
    )


def _scale_frame(rgb: np.ndarray, fit: ResizeCrop, scaler: VideoReformatter) -> np.ndarray:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    whole = scaler.reformat(
        frame, fit.scaled_width, fit.scaled_height, "rgb24", interpolation=Interpolation.BICUBIC
    ).to_ndarray()  # fmt: skip
    return whole[fit.top : fit.top + fit.out_height, fit.left : fit.left + fit.out_width]
