"""Overlays of a sample on its frames: the body's mesh, the keypoints, the confidence."""

import cv2
import numpy as np

from humove.drawing.painter import paint_mesh
from humove.motion.body import Body
from humove.types import Pose2D, SmplMotion

_CONFIDENT, _UNCONFIDENT = np.array((70, 190, 120), dtype=np.float32), np.array((226, 92, 70), dtype=np.float32)
_BODY_POINTS = 33
"""Skeletons with more points have most of them on face and hands, close together."""
_INVALID = np.array((150, 150, 150), dtype=np.float32)


def draw_overlay(
    frame_rgb: np.ndarray,
    body: Body,
    *,
    global_orient: np.ndarray,
    body_pose: np.ndarray,
    transl: np.ndarray,
    rest_joints: np.ndarray,
    intrinsics: np.ndarray,
    keypoints: np.ndarray,
    scores: np.ndarray,
    confidence: float,
    valid: bool,
    opacity: float = 0.55,
    min_score: float = 0.3,
) -> np.ndarray:
    """Draw one row of a sample over its frame (H, W, 3) uint8 RGB, in a new image.

    global_orient (3,), body_pose (23, 3) rad, transl (3,) m, rest_joints (24, 3) m, intrinsics (3, 3) px, keypoints
    (K, 2) px, scores (K,). The mesh goes from green to red as `confidence` falls from 1 to 0, and is grey where the
    row is not valid; keypoints under `min_score` are drawn as rings.
    """
    pose = np.concatenate([np.reshape(global_orient, (1, 3)), body_pose])[None]
    vertices = body.compute_vertices(pose, np.reshape(transl, (1, 3)), rest_joints=rest_joints)[0]
    confidence = min(max(float(confidence), 0.0), 1.0)
    color = confidence * _CONFIDENT + (1 - confidence) * _UNCONFIDENT if valid else _INVALID
    colors = np.broadcast_to(color, body.faces.shape)
    out = paint_mesh(vertices, body.faces, colors, intrinsics, frame_rgb, opacity=opacity)
    radius = max(2, round(min(frame_rgb.shape[:2]) / 160))
    if len(keypoints) > _BODY_POINTS:
        radius = max(1, radius // 3)
    for (x, y), score in zip(keypoints, scores, strict=True):
        if not np.isfinite((x, y)).all() or max(abs(x), abs(y)) > 1e5:
            continue
        centre = (round(float(x)), round(float(y)))
        if score >= min_score:
            cv2.circle(out, centre, radius, (255, 226, 60), thickness=-1, lineType=cv2.LINE_AA)
            cv2.circle(out, centre, radius, (40, 40, 40), thickness=1, lineType=cv2.LINE_AA)
        else:
            cv2.circle(out, centre, radius, (200, 200, 200), thickness=1, lineType=cv2.LINE_AA)
    label = f"confidence {confidence:.2f}" if valid else "not valid"
    size = max(0.4, frame_rgb.shape[0] / 1200)
    (wide, high), below = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    cv2.rectangle(out, (4, 4), (12 + wide, 12 + high + below), (30, 30, 30), thickness=-1)
    cv2.putText(out, label, (8, 8 + high), cv2.FONT_HERSHEY_SIMPLEX, size, (255, 255, 255), 1, cv2.LINE_AA)
    return out


def draw_overlay_row(frame_rgb: np.ndarray, body: Body, motion: SmplMotion, pose2d: Pose2D, index: int) -> np.ndarray:
    """Draw row `index` of a clip's motion and keypoints over its frame (H, W, 3) uint8 RGB, in a new image."""
    return draw_overlay(
        frame_rgb,
        body,
        global_orient=motion.global_orient[index],
        body_pose=motion.body_pose[index],
        transl=motion.transl[index],
        rest_joints=motion.rest_joints,
        intrinsics=motion.cam_intrinsics,
        keypoints=pose2d.keypoints[index],
        scores=pose2d.scores[index],
        confidence=float(motion.confidence[index]),
        valid=bool(motion.valid[index]),
    )
