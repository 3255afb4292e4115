"""Thumbnails: the middle frame of a clip, small, with the body drawn over the person."""

import threading
from collections import OrderedDict
from collections.abc import Callable

import cv2
import numpy as np

from humove.body import Body
from humove.painter import paint
from humove.types import SmplMotion
from shards.explorer.media import ClipData

WIDTH = 320
_REMEMBERED = 2000
_SURE, _UNSURE = np.array((70, 190, 120), dtype=np.float32), np.array((226, 92, 70), dtype=np.float32)


def picture(frame: np.ndarray, data: ClipData | None, body: Body) -> np.ndarray:
    """A clip's middle frame (H, W, 3) uint8 RGB, 320 px wide; with the body over the person where there is motion."""
    scale = WIDTH / frame.shape[1]
    size = (WIDTH, max(1, round(frame.shape[0] * scale)))
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    motion = data.motion if data else None
    if motion is None or not len(motion.valid):
        return small
    return _drawn(small, motion, len(motion.valid) // 2, scale, body)


def _drawn(rgb: np.ndarray, motion: SmplMotion, row: int, scale: float, body: Body) -> np.ndarray:
    pose = np.concatenate([motion.global_orient[row, None], motion.body_pose[row]])[None]
    vertices = body.vertices(pose, motion.transl[row, None], rest_joints=motion.rest_joints)[0]
    sure = float(np.clip(motion.confidence[row], 0, 1))
    colors = np.broadcast_to(sure * _SURE + (1 - sure) * _UNSURE, body.faces.shape)
    camera = np.asarray(motion.cam_intrinsics, dtype=np.float64) * np.array([[scale], [scale], [1]])
    return paint(vertices, body.faces, colors, camera, rgb, opacity=0.55)


def jpeg(rgb: np.ndarray) -> bytes:
    """An RGB picture as JPEG."""
    return cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 82])[1].tobytes()


class Pictures:
    """Thumbnails by name, made once, a few at a time; the latest 2000 are remembered."""

    def __init__(self, workers: int = 2) -> None:
        self._made: OrderedDict[tuple[str, bool], bytes] = OrderedDict()
        self._lock, self._turn = threading.Lock(), threading.Semaphore(workers)

    def get(self, clip_id: str, plain: bool, make: Callable[[], bytes | None]) -> bytes | None:
        """The picture's bytes; `make` is called where they are not remembered. None is not remembered."""
        key = (clip_id, plain)
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key]
        with self._turn:
            made = make()
        if made is not None:
            with self._lock:
                self._made[key] = made
                if len(self._made) > _REMEMBERED:
                    self._made.popitem(last=False)
        return made
