"""Thumbnails: the middle frame of a clip, small, with the body drawn over the person."""

import threading
from collections import OrderedDict
from collections.abc import Callable

import cv2
import numpy as np

from humove.drawing.painter import paint_mesh
from humove.motion.body import Body
from humove.types import SmplMotion
from shards.explorer.media import ClipData

WIDTH = 320
_CACHE_SIZE = 2000
_CONFIDENT, _UNCERTAIN = np.array((70, 190, 120), dtype=np.float32), np.array((226, 92, 70), dtype=np.float32)


def draw_thumbnail(frame: np.ndarray, data: ClipData | None, body: Body) -> np.ndarray:
    """Resize a clip's middle frame (H, W, 3) uint8 RGB to 320 px width, and draw the body if there is motion."""
    scale = WIDTH / frame.shape[1]
    size = (WIDTH, max(1, round(frame.shape[0] * scale)))
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    motion = data.motion if data else None
    if motion is None or not len(motion.valid):
        return small
    return _draw_body(small, motion, len(motion.valid) // 2, scale, body)


def _draw_body(rgb: np.ndarray, motion: SmplMotion, row: int, scale: float, body: Body) -> np.ndarray:
    pose = np.concatenate([motion.global_orient[row, None], motion.body_pose[row]])[None]
    vertices = body.compute_vertices(pose, motion.transl[row, None], rest_joints=motion.rest_joints)[0]
    confidence = float(np.clip(motion.confidence[row], 0, 1))
    colors = np.broadcast_to(confidence * _CONFIDENT + (1 - confidence) * _UNCERTAIN, body.faces.shape)
    camera = np.asarray(motion.cam_intrinsics, dtype=np.float64) * np.array([[scale], [scale], [1]])
    return paint_mesh(vertices, body.faces, colors, camera, rgb, opacity=0.55)


def encode_jpeg(rgb: np.ndarray) -> bytes:
    """Encode an RGB image as JPEG."""
    return cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 82])[1].tobytes()


class ThumbnailCache:
    """The 2000 thumbnails used last, rendered by at most `workers` threads at a time."""

    def __init__(self, workers: int = 2) -> None:
        self._thumbnails: OrderedDict[tuple[str, bool], bytes] = OrderedDict()
        self._lock, self._slots = threading.Lock(), threading.Semaphore(workers)

    def get(self, clip_id: str, plain: bool, render: Callable[[], bytes | None]) -> bytes | None:
        """Return the cached bytes, or those from `render`. None is not cached."""
        key = (clip_id, plain)
        with self._lock:
            if key in self._thumbnails:
                self._thumbnails.move_to_end(key)
                return self._thumbnails[key]
        with self._slots:
            thumbnail = render()
        if thumbnail is not None:
            with self._lock:
                self._thumbnails[key] = thumbnail
                if len(self._thumbnails) > _CACHE_SIZE:
                    self._thumbnails.popitem(last=False)
        return thumbnail
