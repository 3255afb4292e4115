"""Validation videos: frames and rendered bodies side by side."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from echomotion_model.motion.features import DecodedMotion
from humove.drawing.painter import paint_mesh
from humove.motion.body import Body
from humove.video.encode import EncodeConfig, encode_clip
from humove.video.frames import ArrayFrames

_BACKGROUND, _BODY = 32, (70, 190, 120)


def render_body(motion: DecodedMotion, intrinsics: np.ndarray, height: int, width: int) -> np.ndarray:
    """Render the body of one clip, seen by a camera with intrinsics (3, 3) px, on grey: (T, H, W, 3) uint8 RGB."""
    body = Body.load()
    pose = np.concatenate([motion.global_orient.numpy()[:, None], motion.body_pose.numpy()], 1)
    vertices = body.compute_vertices(pose, motion.transl.numpy(), rest_joints=motion.rest_joints.numpy())
    empty = np.full((height, width, 3), _BACKGROUND, np.uint8)
    colors = np.broadcast_to(np.array(_BODY, np.float32), body.faces.shape)
    return np.stack([paint_mesh(each, body.faces, colors, intrinsics, empty) for each in vertices])


def write_side_by_side(videos: Sequence[np.ndarray], fps: int, path: Path) -> None:
    """Write videos (T, H, W, 3) uint8 RGB side by side as one mp4; small ones are enlarged."""
    joined = np.concatenate(videos, 2)
    scale = max(1, 256 // joined.shape[1])
    joined = joined.repeat(scale, 1).repeat(scale, 2)
    height, width = joined.shape[1:3]
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = ArrayFrames(joined, Fraction(fps))
    encode_clip(frames, (0, 0, width, height), width, height, path, EncodeConfig(crf=18))
