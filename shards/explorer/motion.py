"""A clip's motion for the page: arrays as lists, and the curves that are drawn of them."""

from fractions import Fraction
from typing import Any

import numpy as np

from humove.skeletons import SMPL_JOINTS
from humove.types import SmplMotion
from shards.explorer.media import ClipData


def motion_document(data: ClipData) -> dict[str, Any]:
    """What a page needs to draw a clip's motion and keypoints; None for what was not measured. Finite numbers alone.

    angles: degrees that each joint is turned by from the rest pose, 0 to 180 (the pelvis: from the camera's axes);
    speed: m/s, the mean over the joints of how fast they move in the camera's frame.
    """
    motion, pose = data.motion, data.pose2d
    rate = float(Fraction(data.meta["fps"]))
    rows = motion.confidence if motion is not None else pose.scores if pose is not None else ()
    crop = data.meta.get("crop_xyxy")
    document: dict[str, Any] = {
        "num_frames": len(rows),
        "fps": rate,
        "width": data.meta.get("width"),
        "height": data.meta.get("height"),
        "crop_xyxy": list(crop) if crop is not None else None,
        "keypoints": _listed(pose.keypoints, 1) if pose is not None else None,
        "keypoint_scores": _listed(pose.scores, 3) if pose is not None else None,
        "keypoint_names": list(pose.names) if pose is not None else None,
    }
    for name, digits in _ARRAYS.items():
        document[name] = _listed(getattr(motion, name), digits) if motion is not None else None
    document["angles"] = angles(motion) if motion is not None else None
    document["speed"] = _listed(speed(motion.joints, rate), 4) if motion is not None else None
    return document


_ARRAYS = {
    "joints": 4, "global_orient": 5, "body_pose": 5, "transl": 4, "rest_joints": 5, "cam_intrinsics": 4,
    "confidence": 4, "valid": 0, "source_frames": 0,
}  # fmt: skip


def angles(motion: SmplMotion) -> dict[str, list[float]]:
    """By joint: degrees of rotation, 0 to 180, row by row."""
    pose = np.concatenate([motion.global_orient[:, None], motion.body_pose], axis=1).astype(np.float64)
    turned = np.linalg.norm(pose, axis=-1) % (2 * np.pi)
    degrees = np.degrees(np.minimum(turned, 2 * np.pi - turned))
    return {name: _listed(degrees[:, joint], 2) for joint, name in enumerate(SMPL_JOINTS)}


def speed(joints: np.ndarray, fps: float) -> np.ndarray:
    """(N,) m/s of joints (N, 24, 3) m: the mean over the joints, by central differences."""
    if len(joints) < 2:
        return np.zeros(len(joints))
    moved = np.gradient(joints.astype(np.float64), axis=0) * fps
    return np.linalg.norm(moved, axis=-1).mean(axis=-1)


def _listed(array: np.ndarray, digits: int) -> list:
    if array.dtype.kind in "bi":
        return array.tolist()
    return np.nan_to_num(np.round(array.astype(np.float64), digits)).tolist()
