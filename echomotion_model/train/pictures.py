"""Validation videos: pictures and bodies side by side."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from echomotion_model.motion.features import DecodedMotion
from humove.body import Body
from humove.painter import paint
from humove.video.encode import EncodeConfig, encode
from humove.video.frames import ArrayFrames

_FLOOR, _BODY = 32, (70, 190, 120)


def body_pictures(motion: DecodedMotion, intrinsics: np.ndarray, height: int, width: int) -> np.ndarray:
    """(T, H, W, 3) uint8 RGB: the body of one clip as a camera (3, 3) px of such pictures sees it, before grey."""
    body = Body.load()
    pose = np.concatenate([motion.global_orient.numpy()[:, None], motion.body_pose.numpy()], 1)
    vertices = body.vertices(pose, motion.transl.numpy(), rest_joints=motion.rest_joints.numpy())
    empty = np.full((height, width, 3), _FLOOR, np.uint8)
    colors = np.broadcast_to(np.array(_BODY, np.float32), body.faces.shape)
    return np.stack([paint(each, body.faces, colors, intrinsics, empty) for each in vertices])


def write_beside(pictures: Sequence[np.ndarray], fps: int, path: Path) -> None:
    """Writes videos (T, H, W, 3) uint8 RGB, side by side, as one mp4; small ones are drawn larger."""
    beside = np.concatenate(pictures, 2)
    times = max(1, 256 // beside.shape[1])
    beside = beside.repeat(times, 1).repeat(times, 2)
    height, width = beside.shape[1:3]
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = ArrayFrames(beside, Fraction(fps))
    encode(frames, (0, 0, width, height), width, height, path, EncodeConfig(crf=18))
