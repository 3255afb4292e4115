"""A clip's motion for the page: arrays as lists, and the curves drawn from them."""

from fractions import Fraction
from typing import Any

import numpy as np

from humove.motion.skeletons import SMPL_JOINTS
from humove.types import SmplMotion
from shards.explorer.media import ClipData


def make_motion_document(data: ClipData) -> dict[str, Any]:
    """Return what the page needs to draw a clip's motion and keypoints, in finite numbers; None for what is missing.

    angles: each joint's rotation from the rest pose in degrees, 0 to 180 (pelvis: from the camera's axes);
    speed: m/s in the camera's frame, mean over the joints.
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
        "keypoints": _to_list(pose.keypoints, 1) if pose is not None else None,
        "keypoint_scores": _to_list(pose.scores, 3) if pose is not None else None,
        "keypoint_names": list(pose.names) if pose is not None else None,
    }
    for name, digits in _ARRAYS.items():
        document[name] = _to_list(getattr(motion, name), digits) if motion is not None else None
    document["angles"] = compute_joint_angles(motion) if motion is not None else None
    document["speed"] = _to_list(compute_mean_speed(motion.joints, rate), 4) if motion is not None else None
    return document


_ARRAYS = {
    "joints": 4, "global_orient": 5, "body_pose": 5, "transl": 4, "rest_joints": 5, "cam_intrinsics": 4,
    "confidence": 4, "valid": 0, "source_frames": 0,
}  # fmt: skip


def compute_joint_angles(motion: SmplMotion) -> dict[str, list[float]]:
    """Compute each joint's rotation in degrees, 0 to 180, by joint name and row."""
    pose = np.concatenate([motion.global_orient[:, None], motion.body_pose], axis=1).astype(np.float64)
    radians = np.linalg.norm(pose, axis=-1) % (2 * np.pi)
    degrees = np.degrees(np.minimum(radians, 2 * np.pi - radians))
    return {name: _to_list(degrees[:, joint], 2) for joint, name in enumerate(SMPL_JOINTS)}


def compute_mean_speed(joints: np.ndarray, fps: float) -> np.ndarray:
    """Compute the speed (N,) m/s of joints (N, 24, 3) m, mean over the joints, by central differences."""
    if len(joints) < 2:
        return np.zeros(len(joints))
    velocity = np.gradient(joints.astype(np.float64), axis=0) * fps
    return np.linalg.norm(velocity, axis=-1).mean(axis=-1)


def _to_list(array: np.ndarray, digits: int) -> list:
    if array.dtype.kind in "bi":
        return array.tolist()
    return np.nan_to_num(np.round(array.astype(np.float64), digits)).tolist()
