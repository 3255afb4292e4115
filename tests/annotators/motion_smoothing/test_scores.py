"""Jitter before and after, and losses, as a clip's scores."""

import numpy as np
import pytest

from annotators.motion_quality.config import QualityConfig, judge_motion
from annotators.motion_quality.measure import compute_jitter, measure_motion
from annotators.motion_smoothing.config import SmoothingConfig
from annotators.motion_smoothing.smoothing import smooth_motion
from humove.motion.body import compute_joints
from humove.motion.camera import intrinsics_from_fov
from humove.types import Pose2D
from tests.annotators.motion_smoothing.test_smoothing import FPS, N, make_still

GOOD = {"valid_share": 1.0, "longest_loss_s": 0.1, "mean_confidence": 0.6, "reprojection_pct": 1.0, "jitter": 5.0}


def measure_scores(valid: np.ndarray) -> tuple[dict[str, float], float]:
    """Scores of a rough motion after smoothing, and its jitter before."""
    pose = np.random.default_rng(4).normal(0, 0.05, (N, 23, 3))
    motion = smooth_motion(make_still(body_pose=pose), valid, FPS, SmoothingConfig()).to_motion(
        intrinsics_from_fov(640, 480, 55), np.arange(N)
    )
    pose2d = Pose2D(
        keypoints=np.ones((N, 1, 2), np.float32), scores=np.ones((N, 1), np.float32), skeleton="one",
        names=("left_hip",),
    )  # fmt: skip
    raw = compute_joints(motion.rest_joints, motion.raw_global_orient, motion.raw_body_pose, motion.raw_transl)
    return measure_motion(motion, pose2d, None, FPS), compute_jitter(raw, FPS)


def test_jitter_before_and_after() -> None:
    scores, before = measure_scores(np.ones(N, bool))
    assert scores["jitter_raw"] == pytest.approx(before)
    assert scores["jitter"] < 0.05 * scores["jitter_raw"]
    assert scores["longest_loss_s"] == 0


def test_the_longest_loss_counts() -> None:
    valid = np.ones(N, bool)
    valid[[0, 1, 40, 41, 42, 43, 44, 45, 89]] = False
    assert measure_scores(valid)[0]["longest_loss_s"] == pytest.approx(6 / FPS)


def test_a_long_loss_is_rejected_by_its_own_threshold() -> None:
    assert judge_motion(GOOD, QualityConfig()) is None
    verdict = judge_motion(GOOD | {"longest_loss_s": 0.7}, QualityConfig(max_loss_s=0.5))
    assert verdict is not None and verdict.detail == "the person is lost for 0.7 s" and verdict.threshold == 0.5
