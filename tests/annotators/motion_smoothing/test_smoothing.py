"""Known motions, made rough on purpose."""

from dataclasses import replace

import numpy as np
import pytest
import roma
import torch

from annotators.motion_quality import jitter
from annotators.motion_smoothing.config import SmoothingConfig
from annotators.motion_smoothing.raw import RawMotion
from annotators.motion_smoothing.shape import one_shape
from annotators.motion_smoothing.smoothing import Smoothed, smoothed
from humove.body import Body, joints_of_pose
from humove.camera import intrinsics_from_fov, project

REST = Body.load().rest_joints
FPS = 30.0
N = 90
SMOOTH = SmoothingConfig()


def still(n: int = N, **values: np.ndarray) -> RawMotion:
    """A body that stands 3 m in front of the camera, with the values given in place of its own."""
    pose = {
        "betas": np.zeros((n, 10)), "rest_joints": REST[None].repeat(n, 0).astype(np.float64),
        "global_orient": np.tile([np.pi, 0, 0], (n, 1)), "body_pose": np.zeros((n, 23, 3)),
        "transl": np.tile([0.0, 0.2, 3.0], (n, 1)), "confidence": np.ones(n),
    }  # fmt: skip
    return RawMotion(**(pose | values))


def angles_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Degrees between rotations (..., 3) axis-angle."""
    a, b = (roma.rotvec_to_rotmat(torch.from_numpy(np.asarray(x, dtype=np.float64))) for x in (a, b))
    return np.degrees(roma.rotmat_geodesic_distance(a, b).numpy())


def knees(n: int = N) -> np.ndarray:
    """(n, 23, 3): both knees bend and straighten once a second and a half, smoothly."""
    pose = np.zeros((n, 23, 3))
    pose[:, [3, 4], 0] = (0.6 - 0.6 * np.cos(2 * np.pi * np.arange(n) / 45))[:, None]
    return pose


def test_a_smooth_motion_passes_all_but_unchanged() -> None:
    raw = still(body_pose=knees(), transl=np.array([0, 0.2, 3]) + np.linspace(0, 1, N)[:, None] * (1, 0, -0.5))
    out = smoothed(raw, np.ones(N, bool), FPS, SMOOTH)
    assert angles_between(out.body_pose, raw.body_pose).max() < 1.5
    assert np.abs(out.transl - raw.transl).max() < 1e-3
    assert angles_between(out.global_orient, raw.global_orient).max() < 0.01


def test_noise_goes_and_the_motion_stays() -> None:
    rng = np.random.default_rng(5)
    pose = knees() + rng.normal(0, 0.04, (N, 23, 3))
    raw = still(body_pose=pose, transl=np.array([0, 0.2, 3]) + rng.normal(0, 0.02, (N, 3)))
    out = smoothed(raw, np.ones(N, bool), FPS, SMOOTH)
    truth = joints_of_pose(REST, raw.global_orient, knees(), np.tile([0.0, 0.2, 3.0], (N, 1)))
    before = joints_of_pose(out.rest_joints, out.raw_global_orient, out.raw_body_pose, out.raw_transl)
    off = [np.linalg.norm(joints - truth, axis=-1).mean() for joints in (before, out.joints)]
    assert off[1] < 0.55 * off[0]
    assert jitter(out.joints, FPS) < 0.03 * jitter(before, FPS)
    assert out.raw_body_pose == pytest.approx(pose, abs=1e-5)


def test_off_means_off() -> None:
    rng = np.random.default_rng(6)
    raw = still(body_pose=rng.normal(0, 0.3, (N, 23, 3)))
    out = smoothed(raw, np.ones(N, bool), FPS, SmoothingConfig(width_s=0))
    assert (out.body_pose == out.raw_body_pose).all()
    assert out.body_pose == pytest.approx(raw.body_pose, abs=1e-6)


@pytest.mark.parametrize("turn", [1.0, np.pi / 2, np.pi])
def test_a_frame_that_is_turned_about_is_let_go(turn: float) -> None:
    orient = np.tile([np.pi, 0.0, 0.0], (N, 1))
    about = roma.rotvec_composition([torch.tensor([np.pi, 0, 0]), torch.tensor([0, turn, 0])]).numpy()
    spoilt = orient.copy()
    spoilt[[40, 41, 60]] = about
    out = smoothed(still(global_orient=spoilt), np.ones(N, bool), FPS, SMOOTH)
    assert angles_between(out.global_orient, orient).max() < 2
    assert angles_between(out.raw_global_orient[40], orient[40]) == pytest.approx(np.degrees(turn), abs=0.1)


def test_a_full_turn_is_followed_through_the_axis_angle_jump() -> None:
    """Turning on the spot passes half a turn, where axis-angle leaps to the other side."""
    turns = torch.from_numpy(np.linspace(0, 2 * np.pi, N)[:, None] * [0, 1.0, 0])
    up = torch.tensor([[np.pi, 0, 0]], dtype=torch.float64).expand(N, 3)
    orient = roma.rotvec_composition([up, turns]).numpy()
    assert np.abs(np.diff(orient, axis=0)).max() > 1  # the series does leap
    out = smoothed(still(global_orient=orient), np.ones(N, bool), FPS, SMOOTH)
    assert angles_between(out.global_orient, orient).max() < 0.5


def test_a_short_loss_is_bridged_and_marked() -> None:
    pose, transl = knees(), np.array([0, 0.2, 3]) + np.linspace(0, 1, N)[:, None] * (1, 0, 0)
    valid = np.ones(N, bool)
    valid[[0, *range(48, 54)]] = False
    raw = still(body_pose=pose.copy(), transl=transl.copy())
    for array in (raw.betas, raw.rest_joints, raw.global_orient, raw.body_pose, raw.transl, raw.confidence):
        array[~valid] = np.nan
    out = smoothed(raw, valid, FPS, SMOOTH)
    assert (out.valid == valid).all()
    assert (out.confidence == valid).all()
    for name in out.__dataclass_fields__:
        assert np.isfinite(getattr(out, name)).all(), name
    assert angles_between(out.body_pose[48:54], pose[48:54]).max() < 12
    assert np.abs(out.transl[48:54] - transl[48:54]).max() < 0.005
    assert out.raw_transl[51] == pytest.approx(0.5 * (transl[47] + transl[54]), abs=0.006)
    assert np.abs(out.transl[0] - transl[1]).max() < 0.02  # held at the end


def test_one_shape_and_the_body_still_covers_the_same_pixels() -> None:
    rng = np.random.default_rng(8)
    sizes = 1 + rng.normal(0, 0.03, N)
    betas = np.zeros((N, 10))
    betas[:, 0] = (sizes - 1) / 0.04  # as a beta of size would have it
    rest = REST * sizes[:, None, None]
    depth = 3 * sizes  # the model sees a larger person farther off
    raw = still(betas=betas, rest_joints=rest, transl=np.stack([0 * depth, 0 * depth, depth], 1) - rest[:, 0])
    out = smoothed(raw, np.ones(N, bool), FPS, SmoothingConfig(width_s=0))
    assert out.betas.shape == (10,)
    assert out.rest_joints == pytest.approx(REST * (1 + 0.04 * out.betas[0]), abs=1e-5)
    assert out.betas[0] == pytest.approx(betas[:, 0].mean(), abs=0.15)
    camera = intrinsics_from_fov(640, 640, 55).astype(np.float64)
    rows = [(rest[i], *(x[i : i + 1] for x in (raw.global_orient, raw.body_pose, raw.transl))) for i in range(N)]
    seen = [project(joints_of_pose(*row), camera)[0] for row in rows]
    assert np.abs(project(out.joints, camera) - seen).max() < 0.05
    assert out.transl[:, 2] + out.rest_joints[0, 2] == pytest.approx(3 * (1 + 0.04 * out.betas[0]), rel=1e-4)


def test_frames_of_another_shape_do_not_move_the_mean() -> None:
    betas = np.full((N, 10), 0.5)
    betas[:12] = -6
    rest = REST[None].repeat(N, 0)
    found, joints = one_shape(betas, rest, np.ones(N, bool), np.ones(N))
    assert found == pytest.approx(np.full(10, 0.5), abs=1e-4)
    assert joints == pytest.approx(REST, abs=1e-6)


def test_confident_frames_count_more() -> None:
    transl = np.tile([0.0, 0.2, 3.0], (N, 1))
    transl[1::2, 0] = 0.04
    heeded = smoothed(
        still(transl=transl, confidence=np.where(np.arange(N) % 2, 0.0, 1.0)), np.ones(N, bool), FPS, SMOOTH
    )
    equal = smoothed(still(transl=transl), np.ones(N, bool), FPS, SMOOTH)
    assert equal.transl[20:70, 0].mean() == pytest.approx(0.02, abs=0.002)
    assert heeded.transl[20:70, 0].mean() < 0.008


def test_the_arrays_make_a_motion(no_network) -> None:
    out = smoothed(still(), np.ones(N, bool), FPS, SMOOTH)
    motion = out.motion(intrinsics_from_fov(640, 480, 55), np.arange(5, 5 + N))
    own = joints_of_pose(motion.rest_joints, motion.global_orient, motion.body_pose, motion.transl)
    assert np.abs(own - motion.joints).max() < 1e-5
    for name in ("betas", "rest_joints", "global_orient", "transl", "joints", "confidence", "raw_transl"):
        assert getattr(motion, name).dtype == np.float32, name


@pytest.mark.parametrize("n", [1, 2, 4])
def test_few_frames_are_smoothed_too(n: int) -> None:
    out = smoothed(still(n), np.ones(n, bool), FPS, SMOOTH)
    assert isinstance(out, Smoothed) and out.transl == pytest.approx(np.tile([0.0, 0.2, 3.0], (n, 1)), abs=1e-5)


def test_what_cannot_be_smoothed_is_said() -> None:
    with pytest.raises(ValueError, match="some true"):
        smoothed(still(), np.zeros(N, bool), FPS, SMOOTH)
    spoilt = still()
    spoilt.transl[3] = np.nan
    with pytest.raises(ValueError, match="transl: a valid row is not finite"):
        smoothed(spoilt, np.ones(N, bool), FPS, SMOOTH)
    with pytest.raises(ValueError, match=r"betas has shape \(10,\)"):
        replace(still(), betas=np.zeros(10))
