"""Small pictures of clips: the middle frame, with the body drawn over the person where there is motion."""

import io
from collections.abc import Callable
from typing import Any

import av
import cv2
import numpy as np

from humove.body import Body
from shards.inspect import draw_row
from shards.reader import Dataset

HEIGHT = 320
_QUALITY = 78
RejectedPicture = Callable[[str], np.ndarray | None]


def draw_pictures(
    dataset: Dataset,
    figures: dict[str, Any],
    readable: Callable[[str], bool],
    rejected: RejectedPicture | None,
    say: Callable[[str], None],
) -> dict[str, bytes]:
    """JPEGs by clip_id of the clips that the contact sheets show; those that can't be had are left out.

    `readable` says whether a kept clip's shard is what dataset.json says.
    """
    kept = {row["clip_id"] for rows in figures["sheets"]["kept"].values() for row in rows}
    gone = {row["clip_id"] for rows in figures["sheets"]["rejected"].values() for row in rows}
    body, drawn = Body.load(), {}
    say(f"drawing {len(kept) + len(gone)} pictures")
    for clip_id in sorted(kept):
        picture = kept_picture(dataset, clip_id, body) if readable(clip_id) else None
        if picture is not None:
            drawn[clip_id] = jpeg(picture)
    for clip_id in sorted(gone):
        picture = rejected(clip_id) if rejected is not None else None
        if picture is not None:
            drawn[clip_id] = jpeg(picture)
    return drawn


def kept_picture(dataset: Dataset, key: str, body: Body) -> np.ndarray | None:
    """The middle frame of a sample, (H, W, 3) uint8 RGB with its body; None where the video does not decode."""
    sample = dataset.get(key)
    middle = len(sample.motion.source_frames) // 2
    try:
        with av.open(io.BytesIO(sample.mp4), format="mp4") as box:
            frames = (frame.to_ndarray(format="rgb24") for frame in box.decode(video=0))
            frame = next((rgb for index, rgb in enumerate(frames) if index == middle), None)
    except av.FFmpegError:
        return None
    return None if frame is None else draw_row(sample, middle, frame, body)


def jpeg(rgb: np.ndarray) -> bytes:
    """A picture (H, W, 3) uint8 RGB as a JPEG, HEIGHT px high at the most."""
    high, wide = rgb.shape[:2]
    if high > HEIGHT:
        rgb = cv2.resize(rgb, (max(1, round(wide * HEIGHT / high)), HEIGHT), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
