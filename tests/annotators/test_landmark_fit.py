"""The whole fit, on landmarks made from known motion."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from annotators.landmark_fit.annotator import LandmarkFit, MotionInput
from annotators.landmark_fit.clip import fit_clip
from annotators.landmark_fit.config import LandmarkFitConfig
from annotators.landmark_fit.markers import load_markers
from annotators.landmark_fit.model import load_model
from annotators.landmark_fit.size import place_markers
from humove.motion.body import Body, compute_joints, compute_world_transforms
from humove.motion.camera import intrinsics_from_fov, project_points
from humove.motion.rotations import axis_angle_to_matrix
from humove.motion.skeletons import MEDIAPIPE_33
from humove.reasons import Reason
from humove.stage import Reject
from humove.types import Landmarks, SmplMotion

REST = Body.load().rest_joints.astype(np.float64)
FRAMES = 45
FAST = LandmarkFitConfig(iterations=120)


def make_squat_and_wave() -> tuple[np.ndarray, np.ndarray]:
    """Global rotations and joints of 1.5 s at 30 frames/s: knees bend, the left arm waves, the trunk turns."""
    t = np.arange(FRAMES) / 30
    pose = np.zeros((FRAMES, 24, 3))
    bend = 0.5 - 0.5 * np.cos(2 * np.pi * t / 1.5)
    pose[:, [1, 2], 0] = -0.9 * bend[:, None]
    pose[:, [4, 5], 0] = 0.1 + 1.4 * bend[:, None]
    pose[:, 16, 2] = -1.2 + 1.0 * bend
    pose[:, 17, 2] = 1.2
    pose[:, 18, 1] = -0.3 - 0.8 * bend
    pose[:, 19, 1] = 0.4
    pose[:, 3, 1] = 0.2 * np.sin(2 * np.pi * t / 1.5)
    rotmats = axis_angle_to_matrix(torch.from_numpy(pose))
    turn = axis_angle_to_matrix(torch.tensor([[np.pi, 0, 0], [0, 0.4, 0]], dtype=torch.float64))
    rotmats[:, 0] = turn[0] @ turn[1] @ rotmats[:, 0]
    moved = np.stack([0 * t, 0.3 * bend, 0 * t], 1)
    transl = torch.tensor([0.0, 0.2, 3.2], dtype=torch.float64) + torch.from_numpy(moved)
    turned, joints = compute_world_transforms(torch.from_numpy(REST), rotmats, transl)
    return turned.numpy(), joints.numpy()


def make_landmarks(noise_m: float = 0.015, noise_px: float = 2.0) -> tuple[MotionInput, np.ndarray]:
    """Landmarks of that motion as a camera and a noisy model give them, and the true joints."""
    turned, joints = make_squat_and_wave()
    points = place_markers(joints, turned, load_markers())
    intrinsics = intrinsics_from_fov(480, 640, 55.0)
    pixels = project_points(points, intrinsics.astype(np.float64))
    middle = points[:, [23, 24]].mean(1, keepdims=True)
    rng = np.random.default_rng(7)

    def add_noise(values: np.ndarray, size: float) -> np.ndarray:
        return (values + rng.normal(0, size, values.shape)).astype(np.float32)

    landmarks = Landmarks(
        keypoints=add_noise(pixels, noise_px), scores=np.ones((FRAMES, 33), np.float32), skeleton="mediapipe_33",
        names=MEDIAPIPE_33, world=add_noise(points - middle, noise_m), mirror_keypoints=add_noise(pixels, noise_px),
        mirror_world=add_noise(points - middle, noise_m), found=np.ones(FRAMES, bool),
    )  # fmt: skip
    clip = MotionInput(
        landmarks=landmarks, fps=30.0, width=480, height=640, intrinsics=intrinsics,
        source_frames=np.arange(100, 100 + FRAMES),
    )  # fmt: skip
    return clip, joints


@pytest.fixture(scope="module")
def model():
    return load_model()


@pytest.fixture(scope="module")
def fitted(model) -> tuple[SmplMotion, np.ndarray]:
    clip, joints = make_landmarks()
    return fit_clip(clip, FAST, model), joints


def root_error_mm(motion: SmplMotion, joints: np.ndarray) -> np.ndarray:
    own = motion.joints[:, :22] - motion.joints[:, :1]
    return 1000 * np.linalg.norm(own - (joints[:, :22] - joints[:, :1]), axis=-1).mean(-1)


def test_known_motion_is_recovered(fitted) -> None:
    motion, joints = fitted
    assert root_error_mm(motion, joints).mean() < 35
    assert np.linalg.norm(motion.joints[:, 0] - joints[:, 0], axis=-1).mean() < 0.15
    accelerations = np.diff(motion.joints[:, :22] - joints[:, :22], 2, axis=0)
    assert 1000 * np.linalg.norm(accelerations, axis=-1).mean() < 10


def test_record_keeps_the_contract(fitted) -> None:
    motion, _ = fitted
    own = compute_joints(motion.rest_joints, motion.global_orient, motion.body_pose, motion.transl)
    assert np.abs(own - motion.joints).max() < 1e-4
    assert np.abs(motion.joints[:, 0] - motion.rest_joints[0] - motion.transl).max() < 1e-4
    assert not motion.betas.any()
    assert (motion.source_frames == np.arange(100, 100 + FRAMES)).all()
    for field in fields(motion):
        value = getattr(motion, field.name)
        assert np.isfinite(value).all()
        assert value.dtype == {"valid": bool, "source_frames": np.int64}.get(field.name, np.float32), field.name
    assert ((motion.confidence >= 0) & (motion.confidence <= 1)).all()


def test_two_runs_are_bit_identical(model) -> None:
    clip, _ = make_landmarks()
    brief = FAST.model_copy(update={"iterations": 15})
    a, b = fit_clip(clip, brief, model), fit_clip(clip, brief, model)
    for field in fields(a):
        assert (getattr(a, field.name) == getattr(b, field.name)).all(), field.name


def test_frames_without_a_person_are_interpolated_and_invalid(model) -> None:
    clip, joints = make_landmarks()
    gap = np.r_[0:2, 20:24]
    found = np.ones(FRAMES, bool)
    found[gap] = False
    blank = {}
    for name in ("keypoints", "world", "mirror_keypoints", "mirror_world", "scores"):
        blank[name] = getattr(clip.landmarks, name).copy()
        blank[name][gap] = 0
    motion = fit_clip(replace(clip, landmarks=replace(clip.landmarks, found=found, **blank)), FAST, model)
    assert (motion.valid == found).all()
    assert (motion.confidence[gap] == 0).all()
    assert (motion.confidence[found] > 0).all()
    assert root_error_mm(motion, joints)[20:24].max() < 90
    step = np.linalg.norm(np.diff(motion.joints, axis=0), axis=-1).max()
    assert step < 0.12


def test_confidence_falls_where_the_mirrored_pass_disagrees(model) -> None:
    clip, _ = make_landmarks()
    bad = slice(15, 22)
    mirror = clip.landmarks.mirror_world.copy()
    legs = [25, 26, 27, 28]
    mirror[bad, legs] += np.float32(0.3)
    motion = fit_clip(replace(clip, landmarks=replace(clip.landmarks, mirror_world=mirror)), FAST, model)
    rest = np.ones(FRAMES, bool)
    rest[bad] = False
    assert motion.confidence[bad].max() < motion.confidence[rest].min()


def test_swapped_frames_do_no_harm(model, fitted) -> None:
    clip, joints = make_landmarks()
    order = np.arange(33)
    order[11:] = [i + 1 if i % 2 else i - 1 for i in range(11, 33)]  # 11 and 12 are the shoulders, and so on in pairs
    spoilt = {name: getattr(clip.landmarks, name).copy() for name in ("keypoints", "world")}
    for array in spoilt.values():
        array[20:22] = array[20:22][:, order]
    motion = fit_clip(replace(clip, landmarks=replace(clip.landmarks, **spoilt)), FAST, model)
    assert root_error_mm(motion, joints)[18:24].mean() < 2 * root_error_mm(fitted[0], joints)[18:24].mean() + 5


def test_too_few_frames_are_rejected() -> None:
    clip, _ = make_landmarks()
    found = np.zeros(FRAMES, bool)
    found[:2] = True
    annotator = LandmarkFit(FAST)
    annotator.load("cpu")
    (outcome,) = annotator.annotate([replace(clip, landmarks=replace(clip.landmarks, found=found))])
    assert isinstance(outcome, Reject)
    assert outcome.reason == Reason.NO_PERSON
    assert (outcome.score, outcome.threshold) == (2, 3)


def test_stature_sets_the_size(model) -> None:
    clip, _ = make_landmarks()
    brief = FAST.model_copy(update={"iterations": 0})
    small, large = (fit_clip(clip, brief.model_copy(update={"stature_m": m}), model) for m in (1.5, 1.8))
    bones = [np.linalg.norm(m.rest_joints[4] - m.rest_joints[7]) for m in (small, large)]
    assert bones[1] / bones[0] == pytest.approx(1.8 / 1.5, rel=1e-5)
