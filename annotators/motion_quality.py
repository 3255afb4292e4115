"""Scores that say how far a fitted motion can be trusted, and the verdict on them. Pure functions of one clip."""

import numpy as np
import torch
from pydantic import Field

from annotators.landmark_fit.confidence import LIMBS, disagreement
from annotators.landmark_fit.markers import load_markers
from annotators.landmark_fit.size import bone_lengths, markers_of
from humove.bars import stage_bars
from humove.body import joints_of_pose, world_transforms
from humove.camera import project
from humove.config import Strict
from humove.reasons import Reason
from humove.rotations import axis_angle_to_matrix, resample_linear
from humove.skeletons import MEDIAPIPE_33
from humove.stage import Reject
from humove.types import Landmarks, Pose2D, SmplMotion

LIMB_NAMES = tuple(MEDIAPIPE_33[i] for i in LIMBS)
_JITTER_FPS = 30.0
_BODY_BONES = slice(0, 5)


class QualityConfig(Strict):
    """The bar for a clip's motion; a clip below it is rejected as low_motion_quality."""

    min_valid_share: float = Field(0.8, ge=0, le=1, description="Least share of frames on which the person was found.")
    max_loss_s: float = Field(
        2.0,
        gt=0,
        description="Longest time for which the person may be lost at one go, in seconds; shorter losses are bridged "
        "and marked invalid.",
    )
    min_confidence: float = Field(0.25, ge=0, le=1, description="Least mean confidence of the motion over all frames.")
    max_reprojection_pct: float = Field(
        8.0,
        gt=0,
        description="Largest median distance of the body's limb joints from the 2D keypoints, in % of the box.",
    )
    max_mirror_disagreement_mm: float = Field(
        220.0,
        gt=0,
        description="Largest median distance between the limbs seen in the picture and in its mirror image; measured "
        "where pose2d gives points in metres.",
    )
    max_jitter: float = Field(
        300.0, gt=0, description="Largest mean third derivative of the joints about the pelvis, m/s^3 at 30 frames/s."
    )
    max_bone_spread: float = Field(
        0.25,
        gt=0,
        description="Largest spread over time of the landmarks' limb lengths, as a share of their median; measured "
        "where pose2d gives points in metres.",
    )


BARS = stage_bars(
    "quality",
    "first",
    QualityConfig,
    ("min_valid_share", "valid_share", Reason.LOW_MOTION_QUALITY,
     "the person was found on {score:.0%} of the frames", 0, 1),
    ("max_loss_s", "longest_loss_s", Reason.LOW_MOTION_QUALITY,
     "the person is lost for {score:.1f} s", 0.1, 3),
    ("min_confidence", "mean_confidence", Reason.LOW_MOTION_QUALITY,
     "mean confidence of the motion is {score:.2f}", 0, 1),
    ("max_reprojection_pct", "reprojection_pct", Reason.LOW_MOTION_QUALITY,
     "the body is {score:.1f} % of the box off the keypoints", 0.1, 20),
    ("max_mirror_disagreement_mm", "mirror_disagreement_mm", Reason.LOW_MOTION_QUALITY,
     "picture and mirror differ by {score:.0f} mm", 1, 500),
    ("max_jitter", "jitter", Reason.LOW_MOTION_QUALITY, "the motion jitters by {score:.0f} m/s^3", 1, 600),
    ("max_bone_spread", "bone_spread", Reason.LOW_MOTION_QUALITY,
     "limb lengths vary by {score:.0%} over the clip", 0.01, 1),
    optional=("max_loss_s", "max_mirror_disagreement_mm", "max_bone_spread"),
)  # fmt: skip


def measure(motion: SmplMotion, pose2d: Pose2D, landmarks: Landmarks | None, fps: float) -> dict[str, float]:
    """Scores of one clip; `pose2d` and `motion.cam_intrinsics` must speak of the same picture.

    valid_share, mean_confidence (0..1); longest_loss_s (s, of frames that are not valid); jitter, jitter_raw (m/s^3,
    after and before smoothing); reprojection_pct (% of the larger side of the person's box); mirror_disagreement_mm;
    bone_scale (landmarks' limbs over the body's), bone_spread (interquartile range of that over time, as a share of
    the median). From the reprojection on they are over valid frames only; the last three want `landmarks`, which not
    every model gives.
    """
    valid = motion.valid
    scores = {"valid_share": float(valid.mean()), "mean_confidence": float(motion.confidence.mean())}
    scores["longest_loss_s"] = _longest(~valid) / fps
    scores["jitter"] = jitter(motion.joints, fps)
    raw = (motion.raw_global_orient, motion.raw_body_pose, motion.raw_transl)
    scores["jitter_raw"] = jitter(joints_of_pose(motion.rest_joints, *raw), fps)
    if not valid.any():
        return scores
    scores["reprojection_pct"] = reprojection_pct(motion, pose2d)
    if landmarks is None:
        return scores
    apart = disagreement(landmarks.world[valid], landmarks.mirror_world[valid])[:, LIMBS]
    scores["mirror_disagreement_mm"] = 1000 * float(np.median(apart))
    markers = load_markers()
    limbs = bone_lengths(landmarks.world[valid].astype(np.float64), markers.index)[:, _BODY_BONES].sum(-1)
    own = bone_lengths(markers.at_rest(motion.rest_joints.astype(np.float64)), markers.index)[_BODY_BONES].sum()
    low, middle, high = np.percentile(limbs / own, (25, 50, 75))
    scores["bone_scale"] = float(middle)
    scores["bone_spread"] = float((high - low) / max(middle, 1e-6))
    return scores


def jitter(joints: np.ndarray, fps: float) -> float:
    """Mean length of the third derivative of root-relative joints (N, J, 3) m, in m/s^3, resampled to 30 fps first."""
    around = (joints - joints[:, :1]).astype(np.float64)
    times = np.arange(len(around)) / fps
    count = int(np.floor(times[-1] * _JITTER_FPS + 1e-6)) + 1
    if count < 4:
        return 0.0
    around = resample_linear(around, times, np.arange(count) / _JITTER_FPS).astype(np.float64)
    return float(np.linalg.norm(np.diff(around, 3, axis=0), axis=-1).mean() * _JITTER_FPS**3)


def _longest(marked: np.ndarray) -> int:
    """Length of the longest run of true rows."""
    edges = np.diff(np.concatenate([[False], marked, [False]]).astype(int))
    return int((np.flatnonzero(edges < 0) - np.flatnonzero(edges > 0)).max(initial=0))


def reprojection_pct(motion: SmplMotion, pose2d: Pose2D) -> float:
    """Median over valid frames of the mean distance between the body's limb points and the keypoints, % of the box.

    The box is that of the limb keypoints; keypoints with a score of zero do not count.
    """
    markers = load_markers()
    pose = np.concatenate([motion.global_orient[:, None], motion.body_pose], 1).astype(np.float64)
    turned, joints = world_transforms(
        torch.from_numpy(motion.rest_joints.astype(np.float64)),
        axis_angle_to_matrix(torch.from_numpy(pose)),
        torch.from_numpy(motion.transl.astype(np.float64)),
    )
    names = [name for name in LIMB_NAMES if name in pose2d.names]
    points = markers_of(joints.numpy(), turned.numpy(), markers)[:, [markers.index[name] for name in names]]
    own = project(points, motion.cam_intrinsics.astype(np.float64))
    rows = [pose2d.names.index(name) for name in names]
    seen, scores = pose2d.keypoints[:, rows].astype(np.float64), pose2d.scores[:, rows]
    use = motion.valid & (scores > 0).any(1)
    if not use.any():
        return 0.0
    off = np.linalg.norm(own - seen, axis=-1)[use]
    weight = (scores[use] > 0).astype(np.float64)
    box = np.ptp(seen[use], axis=1).max(-1)
    return 100 * float(np.median((off * weight).sum(1) / weight.sum(1) / np.maximum(box, 1.0)))


def judge(scores: dict[str, float], config: QualityConfig) -> Reject | None:
    """The first bar that the clip misses, or None. Scores that are missing (no valid frame) count as missed."""
    return BARS.judge(scores, config)
