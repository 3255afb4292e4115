"""Scores against values worked out by hand, and the verdicts on them."""

import numpy as np
import pytest
import torch

from annotators.landmark_fit.markers import load_markers
from annotators.landmark_fit.size import place_markers
from annotators.motion_quality.config import QualityConfig, judge_motion
from annotators.motion_quality.measure import compute_jitter, measure_motion
from humove.motion.body import Body, compute_world_transforms
from humove.motion.camera import intrinsics_from_fov, project_points
from humove.motion.skeletons import MEDIAPIPE_33
from humove.reasons import Reason
from humove.types import Landmarks, SmplMotion

REST = Body.load().rest_joints
N = 12
GOOD = {
    "valid_share": 1.0, "mean_confidence": 0.6, "reprojection_pct": 1.0, "mirror_disagreement_mm": 50.0, "jitter": 5.0,
    "bone_scale": 1.0, "bone_spread": 0.05,
}  # fmt: skip


def make_still_person() -> tuple[SmplMotion, Landmarks]:
    """A body in T-pose three metres away, and landmarks exactly on it."""
    orient = np.tile(np.array([np.pi, 0, 0], np.float32), (N, 1))
    pose = np.zeros((N, 23, 3), np.float32)
    transl = np.tile(np.array([0, 0, 3], np.float32), (N, 1))
    rotmats = torch.eye(3).double().repeat(N, 24, 1, 1)
    rotmats[:, 0] = torch.diag(torch.tensor([1.0, -1.0, -1.0])).double()
    turned, joints = compute_world_transforms(
        torch.from_numpy(REST).double(), rotmats, torch.from_numpy(transl).double()
    )
    points = place_markers(joints.numpy(), turned.numpy(), load_markers())
    intrinsics = intrinsics_from_fov(480, 640, 55.0)
    motion = SmplMotion(
        betas=np.zeros(10, np.float32), rest_joints=REST, global_orient=orient, body_pose=pose, transl=transl,
        joints=joints.numpy().astype(np.float32), cam_intrinsics=intrinsics, confidence=np.full(N, 0.5, np.float32),
        valid=np.ones(N, bool), source_frames=np.arange(N), raw_global_orient=orient, raw_body_pose=pose,
        raw_transl=transl,
    )  # fmt: skip
    world = (points - points[:, [23, 24]].mean(1, keepdims=True)).astype(np.float32)
    pixels = project_points(points, intrinsics.astype(np.float64)).astype(np.float32)
    landmarks = Landmarks(
        keypoints=pixels, scores=np.ones((N, 33), np.float32), skeleton="mediapipe_33", names=MEDIAPIPE_33, world=world,
        mirror_keypoints=pixels, mirror_world=world, found=np.ones(N, bool),
    )  # fmt: skip
    return motion, landmarks


def change_record(record, **values):
    kind = type(record)
    return kind(**{name: values.get(name, getattr(record, name)) for name in kind.__dataclass_fields__})


def test_a_perfect_fit_scores_perfectly() -> None:
    motion, landmarks = make_still_person()
    scores = measure_motion(motion, landmarks, landmarks, 30.0)
    assert scores["valid_share"] == 1
    assert scores["mean_confidence"] == pytest.approx(0.5)
    assert scores["reprojection_pct"] == pytest.approx(0, abs=0.01)
    assert scores["jitter"] == pytest.approx(0, abs=1e-3)
    assert scores["mirror_disagreement_mm"] == pytest.approx(0, abs=1e-3)
    assert scores["bone_scale"] == pytest.approx(1, abs=1e-4)
    assert scores["bone_spread"] == pytest.approx(0, abs=1e-5)
    assert judge_motion(scores, QualityConfig()) is None


def test_keypoints_moved_by_a_tenth_of_the_box() -> None:
    motion, landmarks = make_still_person()
    parts = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    limbs = [i for i, name in enumerate(MEDIAPIPE_33) if name.split("_")[-1] in parts]
    box = np.ptp(landmarks.keypoints[0, limbs], axis=0).max()
    moved = change_record(landmarks, keypoints=landmarks.keypoints + np.array([0.1 * box, 0], np.float32))
    scores = measure_motion(motion, moved, moved, 30.0)
    assert scores["reprojection_pct"] == pytest.approx(10, rel=1e-3)
    verdict = judge_motion(scores, QualityConfig())
    assert verdict is not None
    assert verdict.reason == Reason.LOW_MOTION_QUALITY
    assert (verdict.score, verdict.threshold) == (scores["reprojection_pct"], QualityConfig().max_reprojection_pct)


def test_a_limb_that_differs_in_the_mirrored_pass() -> None:
    motion, landmarks = make_still_person()
    mirror = landmarks.mirror_world + np.array([0.0, 0.0, 5.0], np.float32)  # a common shift is no disagreement
    assert (
        measure_motion(motion, landmarks, change_record(landmarks, mirror_world=mirror), 30.0)["mirror_disagreement_mm"]
        < 0.01
    )
    mirror = landmarks.mirror_world.copy()
    legs = [25, 26, 27, 28]
    mirror[:, legs, 2] += 0.24  # four of twelve limb landmarks: their mean moves by 80 mm, which the others show
    scores = measure_motion(motion, landmarks, change_record(landmarks, mirror_world=mirror), 30.0)
    assert scores["mirror_disagreement_mm"] == pytest.approx(80, abs=0.5)


def test_jitter_is_the_third_derivative() -> None:
    t = np.arange(31) / 30
    joints = np.zeros((31, 2, 3), np.float32)
    joints[:, 1, 0] = t**3  # third derivative 6 for one of two joints, none for the root
    assert compute_jitter(joints, 30.0) == pytest.approx(3.0, rel=0.02)
    sixty = np.zeros((61, 2, 3), np.float32)
    sixty[:, 1, 0] = (np.arange(61) / 60) ** 3
    assert compute_jitter(sixty, 60.0) == pytest.approx(3.0, rel=0.02)
    assert compute_jitter(joints[:3], 30.0) == 0


def test_growing_limbs_raise_the_bone_spread() -> None:
    motion, landmarks = make_still_person()
    world = landmarks.world * np.linspace(1.0, 1.2, N, dtype=np.float32)[:, None, None]
    scores = measure_motion(motion, landmarks, change_record(landmarks, world=world), 30.0)
    assert scores["bone_scale"] == pytest.approx(1.1, abs=1e-3)
    assert scores["bone_spread"] == pytest.approx(0.1 / 1.1, abs=1e-3)  # quartiles at 1.05 and 1.15


@pytest.mark.parametrize(
    ("name", "bad"),
    [("valid_share", 0.1), ("mean_confidence", 0.01), ("reprojection_pct", 30), ("mirror_disagreement_mm", 900),
     ("jitter", 9000), ("bone_spread", 0.9)],
)  # fmt: skip
def test_each_threshold_rejects_alone(name: str, bad: float) -> None:
    assert judge_motion(GOOD, QualityConfig()) is None
    verdict = judge_motion(GOOD | {name: bad}, QualityConfig())
    assert verdict is not None
    assert verdict.score == bad
    assert verdict.reason == Reason.LOW_MOTION_QUALITY


def test_a_clip_without_a_valid_frame_is_rejected() -> None:
    motion, landmarks = make_still_person()
    nobody = change_record(motion, valid=np.zeros(N, bool), confidence=np.zeros(N, np.float32))
    verdict = judge_motion(measure_motion(nobody, landmarks, landmarks, 30.0), QualityConfig())
    assert verdict is not None
    assert verdict.score == 0
