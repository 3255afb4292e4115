"""Thumbnails of clips: the middle frame, with the body drawn over the person if there is motion."""

import io
from collections.abc import Callable
from typing import Any

import av
import cv2
import numpy as np

from humove.motion.body import Body
from shards.inspect import draw_row
from shards.reader import Dataset

HEIGHT = 320
_QUALITY = 78
RejectedImage = Callable[[str], np.ndarray | None]


def draw_images(
    dataset: Dataset,
    figures: dict[str, Any],
    readable: Callable[[str], bool],
    rejected: RejectedImage | None,
    log: Callable[[str], None],
) -> dict[str, bytes]:
    """Draw JPEGs by clip_id of the clips on the contact sheets; those without an image are omitted.

    `readable` returns whether a kept clip's shard is sound.
    """
    kept = {row["clip_id"] for rows in figures["sheets"]["kept"].values() for row in rows}
    dropped = {row["clip_id"] for rows in figures["sheets"]["rejected"].values() for row in rows}
    body, drawn = Body.load(), {}
    log(f"drawing {len(kept) + len(dropped)} images")
    for clip_id in sorted(kept):
        image = draw_kept_frame(dataset, clip_id, body) if readable(clip_id) else None
        if image is not None:
            drawn[clip_id] = encode_jpeg(image)
    for clip_id in sorted(dropped):
        image = rejected(clip_id) if rejected is not None else None
        if image is not None:
            drawn[clip_id] = encode_jpeg(image)
    return drawn


def draw_kept_frame(dataset: Dataset, key: str, body: Body) -> np.ndarray | None:
    """Draw the body over a sample's middle frame, (H, W, 3) uint8 RGB; None if the video does not decode."""
    sample = dataset.get(key)
    middle = len(sample.motion.source_frames) // 2
    try:
        with av.open(io.BytesIO(sample.mp4), format="mp4") as box:
            frames = (frame.to_ndarray(format="rgb24") for frame in box.decode(video=0))
            frame = next((rgb for index, rgb in enumerate(frames) if index == middle), None)
    except av.FFmpegError:
        return None
    return None if frame is None else draw_row(sample, middle, frame, body)


def encode_jpeg(rgb: np.ndarray) -> bytes:
    """Encode an image (H, W, 3) uint8 RGB as a JPEG of at most HEIGHT px in height."""
    high, wide = rgb.shape[:2]
    if high > HEIGHT:
        rgb = cv2.resize(rgb, (max(1, round(wide * HEIGHT / high)), HEIGHT), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
