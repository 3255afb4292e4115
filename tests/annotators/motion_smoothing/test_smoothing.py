"""Known motions, made rough on purpose."""

from dataclasses import replace

import numpy as np
import pytest
import roma
import torch

from annotators.motion_quality.measure import compute_jitter
from annotators.motion_smoothing.config import SmoothingConfig
from annotators.motion_smoothing.raw import RawMotion
from annotators.motion_smoothing.shape import average_shape
from annotators.motion_smoothing.smoothing import SmoothedMotion, smooth_motion
from humove.motion.body import Body, compute_joints
from humove.motion.camera import intrinsics_from_fov, project_points

REST = Body.load().rest_joints
FPS = 30.0
N = 90
SMOOTH = SmoothingConfig()


def make_still(n: int = N, **values: np.ndarray) -> RawMotion:
    """A body that stands 3 m in front of the camera, with the values given in place of its own."""
    pose = {
        "betas": np.zeros((n, 10)), "rest_joints": REST[None].repeat(n, 0).astype(np.float64),
        "global_orient": np.tile([np.pi, 0, 0], (n, 1)), "body_pose": np.zeros((n, 23, 3)),
        "transl": np.tile([0.0, 0.2, 3.0], (n, 1)), "confidence": np.ones(n),
    }  # fmt: skip
    return RawMotion(**(pose | values))


def measure_angles(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Degrees between rotations (..., 3) axis-angle."""
    a, b = (roma.rotvec_to_rotmat(torch.from_numpy(np.asarray(x, dtype=np.float64))) for x in (a, b))
    return np.degrees(roma.rotmat_geodesic_distance(a, b).numpy())


def make_knee_pose(n: int = N) -> np.ndarray:
    """(n, 23, 3): both knees bend and straighten once a second and a half, smoothly."""
    pose = np.zeros((n, 23, 3))
    pose[:, [3, 4], 0] = (0.6 - 0.6 * np.cos(2 * np.pi * np.arange(n) / 45))[:, None]
    return pose


def test_a_smooth_motion_is_almost_unchanged() -> None:
    raw = make_still(
        body_pose=make_knee_pose(), transl=np.array([0, 0.2, 3]) + np.linspace(0, 1, N)[:, None] * (1, 0, -0.5)
    )
    out = smooth_motion(raw, np.ones(N, bool), FPS, SMOOTH)
    assert measure_angles(out.body_pose, raw.body_pose).max() < 1.5
    assert np.abs(out.transl - raw.transl).max() < 1e-3
    assert measure_angles(out.global_orient, raw.global_orient).max() < 0.01


def test_noise_is_removed_and_the_motion_kept() -> None:
    rng = np.random.default_rng(5)
    pose = make_knee_pose() + rng.normal(0, 0.04, (N, 23, 3))
    raw = make_still(body_pose=pose, transl=np.array([0, 0.2, 3]) + rng.normal(0, 0.02, (N, 3)))
    out = smooth_motion(raw, np.ones(N, bool), FPS, SMOOTH)
    truth = compute_joints(REST, raw.global_orient, make_knee_pose(), np.tile([0.0, 0.2, 3.0], (N, 1)))
    before = compute_joints(out.rest_joints, out.raw_global_orient, out.raw_body_pose, out.raw_transl)
    off = [np.linalg.norm(joints - truth, axis=-1).mean() for joints in (before, out.joints)]
    assert off[1] < 0.55 * off[0]
    assert compute_jitter(out.joints, FPS) < 0.03 * compute_jitter(before, FPS)
    assert out.raw_body_pose == pytest.approx(pose, abs=1e-5)


def test_width_zero_changes_nothing() -> None:
    rng = np.random.default_rng(6)
    raw = make_still(body_pose=rng.normal(0, 0.3, (N, 23, 3)))
    out = smooth_motion(raw, np.ones(N, bool), FPS, SmoothingConfig(width_s=0))
    assert (out.body_pose == out.raw_body_pose).all()
    assert out.body_pose == pytest.approx(raw.body_pose, abs=1e-6)


@pytest.mark.parametrize("turn", [1.0, np.pi / 2, np.pi])
def test_a_frame_that_is_turned_around_is_ignored(turn: float) -> None:
    orient = np.tile([np.pi, 0.0, 0.0], (N, 1))
    about = roma.rotvec_composition([torch.tensor([np.pi, 0, 0]), torch.tensor([0, turn, 0])]).numpy()
    spoilt = orient.copy()
    spoilt[[40, 41, 60]] = about
    out = smooth_motion(make_still(global_orient=spoilt), np.ones(N, bool), FPS, SMOOTH)
    assert measure_angles(out.global_orient, orient).max() < 2
    assert measure_angles(out.raw_global_orient[40], orient[40]) == pytest.approx(np.degrees(turn), abs=0.1)


def test_a_full_turn_passes_the_axis_angle_jump() -> None:
    """Turning on the spot passes half a turn, where axis-angle leaps to the other side."""
    turns = torch.from_numpy(np.linspace(0, 2 * np.pi, N)[:, None] * [0, 1.0, 0])
    up = torch.tensor([[np.pi, 0, 0]], dtype=torch.float64).expand(N, 3)
    orient = roma.rotvec_composition([up, turns]).numpy()
    assert np.abs(np.diff(orient, axis=0)).max() > 1  # the series does leap
    out = smooth_motion(make_still(global_orient=orient), np.ones(N, bool), FPS, SMOOTH)
    assert measure_angles(out.global_orient, orient).max() < 0.5


def test_a_short_loss_is_interpolated_and_invalid() -> None:
    pose, transl = make_knee_pose(), np.array([0, 0.2, 3]) + np.linspace(0, 1, N)[:, None] * (1, 0, 0)
    valid = np.ones(N, bool)
    valid[[0, *range(48, 54)]] = False
    raw = make_still(body_pose=pose.copy(), transl=transl.copy())
    for array in (raw.betas, raw.rest_joints, raw.global_orient, raw.body_pose, raw.transl, raw.confidence):
        array[~valid] = np.nan
    out = smooth_motion(raw, valid, FPS, SMOOTH)
    assert (out.valid == valid).all()
    assert (out.confidence == valid).all()
    for name in out.__dataclass_fields__:
        assert np.isfinite(getattr(out, name)).all(), name
    assert measure_angles(out.body_pose[48:54], pose[48:54]).max() < 12
    assert np.abs(out.transl[48:54] - transl[48:54]).max() < 0.005
    assert out.raw_transl[51] == pytest.approx(0.5 * (transl[47] + transl[54]), abs=0.006)
    assert np.abs(out.transl[0] - transl[1]).max() < 0.02  # held at the end


def test_one_shape_and_the_body_still_covers_the_same_pixels() -> None:
    rng = np.random.default_rng(8)
    sizes = 1 + rng.normal(0, 0.03, N)
    betas = np.zeros((N, 10))
    betas[:, 0] = (sizes - 1) / 0.04  # like a beta of size
    rest = REST * sizes[:, None, None]
    depth = 3 * sizes  # the model places a larger person farther away
    raw = make_still(betas=betas, rest_joints=rest, transl=np.stack([0 * depth, 0 * depth, depth], 1) - rest[:, 0])
    out = smooth_motion(raw, np.ones(N, bool), FPS, SmoothingConfig(width_s=0))
    assert out.betas.shape == (10,)
    assert out.rest_joints == pytest.approx(REST * (1 + 0.04 * out.betas[0]), abs=1e-5)
    assert out.betas[0] == pytest.approx(betas[:, 0].mean(), abs=0.15)
    camera = intrinsics_from_fov(640, 640, 55).astype(np.float64)
    rows = [(rest[i], *(x[i : i + 1] for x in (raw.global_orient, raw.body_pose, raw.transl))) for i in range(N)]
    pixels = [project_points(compute_joints(*row), camera)[0] for row in rows]
    assert np.abs(project_points(out.joints, camera) - pixels).max() < 0.05
    assert out.transl[:, 2] + out.rest_joints[0, 2] == pytest.approx(3 * (1 + 0.04 * out.betas[0]), rel=1e-4)


def test_frames_of_another_shape_do_not_move_the_mean() -> None:
    betas = np.full((N, 10), 0.5)
    betas[:12] = -6
    rest = REST[None].repeat(N, 0)
    found, joints = average_shape(betas, rest, np.ones(N, bool), np.ones(N))
    assert found == pytest.approx(np.full(10, 0.5), abs=1e-4)
    assert joints == pytest.approx(REST, abs=1e-6)


def test_confident_frames_count_more() -> None:
    transl = np.tile([0.0, 0.2, 3.0], (N, 1))
    transl[1::2, 0] = 0.04
    weighted = smooth_motion(
        make_still(transl=transl, confidence=np.where(np.arange(N) % 2, 0.0, 1.0)), np.ones(N, bool), FPS, SMOOTH
    )
    equal = smooth_motion(make_still(transl=transl), np.ones(N, bool), FPS, SMOOTH)
    assert equal.transl[20:70, 0].mean() == pytest.approx(0.02, abs=0.002)
    assert weighted.transl[20:70, 0].mean() < 0.008


def test_the_arrays_make_a_motion(no_network) -> None:
    out = smooth_motion(make_still(), np.ones(N, bool), FPS, SMOOTH)
    motion = out.to_motion(intrinsics_from_fov(640, 480, 55), np.arange(5, 5 + N))
    own = compute_joints(motion.rest_joints, motion.global_orient, motion.body_pose, motion.transl)
    assert np.abs(own - motion.joints).max() < 1e-5
    for name in ("betas", "rest_joints", "global_orient", "transl", "joints", "confidence", "raw_transl"):
        assert getattr(motion, name).dtype == np.float32, name


@pytest.mark.parametrize("n", [1, 2, 4])
def test_few_frames_are_smoothed_too(n: int) -> None:
    out = smooth_motion(make_still(n), np.ones(n, bool), FPS, SMOOTH)
    assert isinstance(out, SmoothedMotion) and out.transl == pytest.approx(np.tile([0.0, 0.2, 3.0], (n, 1)), abs=1e-5)


def test_invalid_input_is_an_error() -> None:
    with pytest.raises(ValueError, match="some true"):
        smooth_motion(make_still(), np.zeros(N, bool), FPS, SMOOTH)
    spoilt = make_still()
    spoilt.transl[3] = np.nan
    with pytest.raises(ValueError, match="transl: a valid row is not finite"):
        smooth_motion(spoilt, np.ones(N, bool), FPS, SMOOTH)
    with pytest.raises(ValueError, match=r"betas has shape \(10,\)"):
        replace(make_still(), betas=np.zeros(10))
