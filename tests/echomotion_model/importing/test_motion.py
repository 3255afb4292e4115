from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from echomotion_model.importing.amass import read_amass
from echomotion_model.importing.camera import HEIGHT, WIDTH, film_motion, transform_motion
from echomotion_model.importing.motion import parse_rate, split_pieces
from echomotion_model.importing.reasons import BadMotion
from humove.motion.body import Body, compute_joints
from humove.motion.camera import project_points
from humove.motion.rotations import axis_angle_to_matrix, geodesic_angle
from humove.motion.skeletons import SMPL_JOINTS
from tests.echomotion_model.importing.sample_files import amass_arrays, write_amass

KEY = "0123456789abcdef-s0000-c0000-p00"


@pytest.fixture
def motion(tmp_path):
    return read_amass(write_amass(tmp_path / "a.npz"), None)


def world_joints(motion):
    return compute_joints(motion.rest_joints, motion.global_orient, motion.body_pose, motion.transl)


def test_an_integer_multiple_of_the_rate_keeps_rows_exactly(motion):
    slower = motion.limit_fps(30)
    assert slower.fps == 30 and len(slower) == 60
    np.testing.assert_array_equal(slower.source_frames, np.arange(0, 240, 4))
    assert np.abs(slower.transl - motion.transl[::4]).max() < 1e-6
    turns = [axis_angle_to_matrix(torch.from_numpy(np.float64(m))) for m in (slower.body_pose, motion.body_pose[::4])]
    assert geodesic_angle(*turns).max() < 1e-4


def test_other_rates_are_interpolated(tmp_path):
    fps = 100.0
    arrays = amass_arrays(frames=101, fps=fps)
    arrays["poses"][:] = 0
    arrays["poses"][:, 1] = np.arange(101) * 0.01  # 1 rad a second about one axis
    np.savez(tmp_path / "a.npz", **arrays)
    slower = read_amass(tmp_path / "a.npz", None).limit_fps(30)
    assert len(slower) == 31
    np.testing.assert_allclose(slower.global_orient[:, 1], np.arange(31) / 30, atol=1e-6)
    assert slower.source_frames.max() <= 100 and (np.diff(slower.source_frames) > 0).all()


def test_slow_motion_keeps_its_own_rate(motion):
    slow = replace(motion, fps=Fraction(25))
    assert slow.limit_fps(30) is slow


@pytest.mark.parametrize("frame", ["world_z_up", "world_y_up"])
def test_the_camera_transform_is_rigid(motion, frame):
    motion = replace(motion, frame=frame)
    seen = film_motion(motion, KEY)
    joints = compute_joints(motion.rest_joints, seen.global_orient, motion.body_pose, seen.transl)
    moved = world_joints(motion) @ np.array(seen.record.rotation).T + np.array(seen.record.translation)
    assert np.abs(joints - moved).max() < 2e-5  # transl that forgot the pelvis would be off by up to 0.44 m
    np.testing.assert_allclose(joints[:, 0], motion.rest_joints[0] + seen.transl, atol=1e-6)
    turn = np.array(seen.record.rotation)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)


def test_the_identity_transform_changes_nothing(motion):
    orient, transl = transform_motion(motion, np.eye(3), np.zeros(3))
    np.testing.assert_allclose(orient, motion.global_orient, atol=1e-6)
    np.testing.assert_allclose(transl, motion.transl, atol=1e-6)


def test_the_person_is_upright_and_fully_in_the_frame(motion):
    body = Body.load()
    for i in range(20):
        seen = film_motion(motion, f"{i:016x}-s0000-c0000-p00")
        pose = np.concatenate([seen.global_orient[:, None], motion.body_pose], 1)[::20]
        mesh = body.compute_vertices(pose, seen.transl[::20])
        pixels = project_points(mesh.astype(np.float64), seen.intrinsics)
        assert (pixels > 0).all() and (pixels < (WIDTH, HEIGHT)).all() and mesh[..., 2].min() > 0.5
        joints = compute_joints(motion.rest_joints, seen.global_orient, motion.body_pose, seen.transl)
        head, foot = (joints[:, SMPL_JOINTS.index(name), 1] for name in ("head", "left_ankle"))
        assert (head < foot - 0.8).all()  # y points down
        assert 2 <= seen.record.distance_m < 8


def test_the_camera_follows_from_the_key_and_goes_all_around(motion):
    records = [film_motion(motion, f"{i:016x}-s0000-c0000-p00").record for i in range(40)]
    assert records[3] == film_motion(motion, f"{3:016x}-s0000-c0000-p00").record
    quarters = {int((record.azimuth_deg + 180) // 90) for record in records}
    assert quarters == {0, 1, 2, 3}


def test_azimuth_zero_sees_the_front(motion):
    for i in range(40):
        seen = film_motion(motion, f"{i:016x}-s0000-c0000-p00")
        turns = axis_angle_to_matrix(torch.from_numpy(np.float64(seen.global_orient))).numpy()
        ahead = turns[:, :, 2].mean(0)  # of the body, in the camera's frame: -z faces the camera
        facing = np.degrees(np.arctan2(ahead[0], -ahead[2]))
        # Seen from its left side (azimuth 90) the body faces the picture's left.
        assert abs((facing + seen.record.azimuth_deg + 180) % 360 - 180) < 4


def test_motion_in_a_cameras_frame_gets_no_second_camera(motion):
    with pytest.raises(ValueError, match="has its camera"):
        film_motion(replace(motion, frame="camera"), KEY)


@pytest.mark.parametrize(
    ("value", "expected"), [(120.0, 120), (30.0003, 30), (1 / 0.0333333, 30), (59.94005994, Fraction(60000, 1001))]
)
def test_rates_are_fractions(value, expected):
    assert parse_rate(value) == expected


@pytest.mark.parametrize("value", [0, -30, float("nan"), float("inf"), 1e6])
def test_an_invalid_rate_is_a_reason(value):
    with pytest.raises(BadMotion):
        parse_rate(value)


@given(st.integers(1, 100_000), st.integers(1, 250), st.floats(0.5, 20))
def test_pieces_tile_a_recording(count, fps, seconds):
    spans = split_pieces(count, Fraction(fps), seconds)
    assert spans[0][0] == 0 and spans[-1][1] == count
    assert all(a[1] == b[0] for a, b in zip(spans, spans[1:], strict=False))
    lengths = [end - start for start, end in spans]
    assert min(lengths) >= 1 and max(lengths) - min(lengths) <= 1
    assert max(lengths) <= max(1, int(seconds * fps))
