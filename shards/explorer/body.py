"""The open body for the page's 3D view: mesh, skinning weights, skeleton."""

from functools import cache
from typing import Any

import numpy as np

from humove.body import Body
from humove.skeletons import MEDIAPIPE_33, SMPL_JOINTS, SMPL_PARENTS

_EDGES = (
    ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"), ("nose", "left_eye"), ("nose", "right_eye"),
    ("left_eye", "left_ear"), ("right_eye", "right_ear"), ("mouth_left", "mouth_right"),
    *((f"{side}_{a}", f"{side}_{b}") for side in ("left", "right") for a, b in (
        ("shoulder", "elbow"), ("elbow", "wrist"), ("shoulder", "hip"), ("hip", "knee"), ("knee", "ankle"),
        ("wrist", "pinky"), ("wrist", "index"), ("wrist", "thumb"), ("ankle", "heel"), ("heel", "foot_index"),
        ("ankle", "foot_index"))),
)  # fmt: skip
assert {name for edge in _EDGES for name in edge} <= set(MEDIAPIPE_33)


def skeleton() -> dict[str, Any]:
    """What the page draws lines between: pairs of keypoint names, and SMPL's tree."""
    return {
        "skeleton_edges": [list(edge) for edge in _EDGES],
        "smpl_parents": list(SMPL_PARENTS),
        "joint_names": list(SMPL_JOINTS),
    }


@cache
def body_document() -> dict[str, Any]:
    """vertices (V, 3) m, faces (F, 3), weights {indices (V, 4), values (V, 4)}, rest_joints (24, 3) m, rest pose."""
    body = Body.load()
    weights = body.bone_weights.astype(np.float64)
    weights /= weights.sum(axis=1, keepdims=True)
    return {
        "vertices": np.round(body.rest_vertices.astype(np.float64), 5).tolist(),
        "faces": body.faces.tolist(),
        "weights": {"indices": body.bone_indices.tolist(), "values": np.round(weights, 5).tolist()},
        "rest_joints": np.round(body.rest_joints.astype(np.float64), 5).tolist(),
    }
