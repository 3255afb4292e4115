"""Scores for the reliability of a fitted motion. Pure functions of one clip."""

import numpy as np
import torch

from annotators.landmark_fit.confidence import LIMBS, measure_disagreement
from annotators.landmark_fit.markers import load_markers
from annotators.landmark_fit.size import measure_bone_lengths, place_markers
from humove.motion.body import compute_joints, compute_world_transforms
from humove.motion.camera import project_points
from humove.motion.rotations import axis_angle_to_matrix, resample_linear
from humove.motion.skeletons import MEDIAPIPE_33
from humove.types import Landmarks, Pose2D, SmplMotion

LIMB_NAMES = tuple(MEDIAPIPE_33[i] for i in LIMBS)
_JITTER_FPS = 30.0
_BODY_BONES = slice(0, 5)


def measure_motion(motion: SmplMotion, pose2d: Pose2D, landmarks: Landmarks | None, fps: float) -> dict[str, float]:
    """Compute the scores of one clip; `pose2d` and `motion.cam_intrinsics` must refer to the same image size.

    valid_share, mean_confidence (0..1); longest_loss_s (s, of frames that are not valid); jitter, jitter_raw (m/s^3,
    after and before smoothing); reprojection_pct (% of the larger side of the person's box); mirror_disagreement_mm;
    bone_scale (landmarks' limbs over the body's), bone_spread (interquartile range of that over time, as a share of
    the median). From the reprojection on they are over valid frames only; the last three need `landmarks`, which not
    every model gives.
    """
    valid = motion.valid
    scores = {"valid_share": float(valid.mean()), "mean_confidence": float(motion.confidence.mean())}
    scores["longest_loss_s"] = _measure_longest_run(~valid) / fps
    scores["jitter"] = compute_jitter(motion.joints, fps)
    raw = (motion.raw_global_orient, motion.raw_body_pose, motion.raw_transl)
    scores["jitter_raw"] = compute_jitter(compute_joints(motion.rest_joints, *raw), fps)
    if not valid.any():
        return scores
    scores["reprojection_pct"] = compute_reprojection_pct(motion, pose2d)
    if landmarks is None:
        return scores
    apart = measure_disagreement(landmarks.world[valid], landmarks.mirror_world[valid])[:, LIMBS]
    scores["mirror_disagreement_mm"] = 1000 * float(np.median(apart))
    markers = load_markers()
    limbs = measure_bone_lengths(landmarks.world[valid].astype(np.float64), markers.index)[:, _BODY_BONES].sum(-1)
    own = measure_bone_lengths(markers.place_at_rest(motion.rest_joints.astype(np.float64)), markers.index)[
        _BODY_BONES
    ].sum()
    low, middle, high = np.percentile(limbs / own, (25, 50, 75))
    scores["bone_scale"] = float(middle)
    scores["bone_spread"] = float((high - low) / max(middle, 1e-6))
    return scores


def compute_jitter(joints: np.ndarray, fps: float) -> float:
    """Compute the mean norm of the third derivative of root-relative joints (N, J, 3) m, in m/s^3, at 30 fps."""
    around = (joints - joints[:, :1]).astype(np.float64)
    times = np.arange(len(around)) / fps
    count = int(np.floor(times[-1] * _JITTER_FPS + 1e-6)) + 1
    if count < 4:
        return 0.0
    around = resample_linear(around, times, np.arange(count) / _JITTER_FPS).astype(np.float64)
    return float(np.linalg.norm(np.diff(around, 3, axis=0), axis=-1).mean() * _JITTER_FPS**3)


def _measure_longest_run(flags: np.ndarray) -> int:
    """Measure the longest run of true rows."""
    edges = np.diff(np.concatenate([[False], flags, [False]]).astype(int))
    return int((np.flatnonzero(edges < 0) - np.flatnonzero(edges > 0)).max(initial=0))


def compute_reprojection_pct(motion: SmplMotion, pose2d: Pose2D) -> float:
    """Compute the median over valid frames of the mean distance between limb points and keypoints, % of the box.

    The box is that of the limb keypoints; keypoints with a score of zero do not count.
    """
    markers = load_markers()
    pose = np.concatenate([motion.global_orient[:, None], motion.body_pose], 1).astype(np.float64)
    turned, joints = compute_world_transforms(
        torch.from_numpy(motion.rest_joints.astype(np.float64)),
        axis_angle_to_matrix(torch.from_numpy(pose)),
        torch.from_numpy(motion.transl.astype(np.float64)),
    )
    names = [name for name in LIMB_NAMES if name in pose2d.names]
    points = place_markers(joints.numpy(), turned.numpy(), markers)[:, [markers.index[name] for name in names]]
    own = project_points(points, motion.cam_intrinsics.astype(np.float64))
    rows = [pose2d.names.index(name) for name in names]
    observed, scores = pose2d.keypoints[:, rows].astype(np.float64), pose2d.scores[:, rows]
    use = motion.valid & (scores > 0).any(1)
    if not use.any():
        return 0.0
    off = np.linalg.norm(own - observed, axis=-1)[use]
    weight = (scores[use] > 0).astype(np.float64)
    box = np.ptp(observed[use], axis=1).max(-1)
    return 100 * float(np.median((off * weight).sum(1) / weight.sum(1) / np.maximum(box, 1.0)))
