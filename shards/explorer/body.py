"""The body for the page's 3D view: mesh, skinning weights, skeleton."""

from functools import cache
from typing import Any

import numpy as np

from humove.motion.body import Body
from humove.motion.skeletons import COCO_WHOLEBODY_133, MEDIAPIPE_33, SMPL_JOINTS, SMPL_PARENTS

_FINGERS = ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")
_FACE = ((0, 16), (17, 21), (22, 26), (27, 30), (31, 35), (36, 41), (42, 47), (48, 59), (60, 67))
"""Ranges of the 68 face points that form lines: jaw, brows, nose, eyes, lips."""
_EDGES = (
    ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"), ("nose", "left_eye"), ("nose", "right_eye"),
    ("left_eye", "left_ear"), ("right_eye", "right_ear"), ("mouth_left", "mouth_right"),
    *((f"{side}_{a}", f"{side}_{b}") for side in ("left", "right") for a, b in (
        ("shoulder", "elbow"), ("elbow", "wrist"), ("shoulder", "hip"), ("hip", "knee"), ("knee", "ankle"),
        ("wrist", "pinky"), ("wrist", "index"), ("wrist", "thumb"), ("ankle", "heel"), ("heel", "foot_index"),
        ("ankle", "foot_index"), ("ankle", "big_toe"), ("big_toe", "small_toe"), ("heel", "big_toe"),
        *(("wrist", f"{finger}1") for finger in _FINGERS),
        *((f"{finger}{k}", f"{finger}{k + 1}") for finger in _FINGERS for k in (1, 2, 3)))),
    *((f"face-{k}", f"face-{k + 1}") for start, end in _FACE for k in range(start, end)),
)  # fmt: skip
assert {name for edge in _EDGES for name in edge} <= {*MEDIAPIPE_33, *COCO_WHOLEBODY_133}


def make_skeleton_document() -> dict[str, Any]:
    """Return the pairs of keypoint names to connect (a clip may have only some of them), and SMPL's tree."""
    return {
        "skeleton_edges": [list(edge) for edge in _EDGES],
        "smpl_parents": list(SMPL_PARENTS),
        "joint_names": list(SMPL_JOINTS),
    }


@cache
def make_body_document() -> dict[str, Any]:
    """Return vertices (V, 3) m, faces (F, 3), weights {indices (V, 4), values (V, 4)}, rest_joints (24, 3) m."""
    body = Body.load()
    weights = body.bone_weights.astype(np.float64)
    weights /= weights.sum(axis=1, keepdims=True)
    return {
        "vertices": np.round(body.rest_vertices.astype(np.float64), 5).tolist(),
        "faces": body.faces.tolist(),
        "weights": {"indices": body.bone_indices.tolist(), "values": np.round(weights, 5).tolist()},
        "rest_joints": np.round(body.rest_joints.astype(np.float64), 5).tolist(),
    }
