"""Inverse kinematics: what goes in comes out."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from annotators.landmark_fit.markers import load_markers
from annotators.landmark_fit.size import place_markers
from annotators.landmark_fit.solver.ik import solve_from_joints, solve_from_markers
from annotators.landmark_fit.solver.rigid import align_vectors, compute_swing, find_nearest_rotation
from humove.motion.body import Body, compute_world_transforms
from humove.motion.rotations import axis_angle_to_matrix, matrix_to_axis_angle

REST = Body.load().rest_joints.astype(np.float64)
UPRIGHT = axis_angle_to_matrix(torch.tensor([np.pi, 0.0, 0.0], dtype=torch.float64))


def make_plausible_pose(seed: int, yaw: float, frames: int = 3) -> torch.Tensor:
    """Local rotations (frames, 24, 3, 3): a person upright before the camera, limbs bent within human limits."""
    rng = np.random.default_rng(seed)
    pose = rng.normal(0, 0.12, (frames, 24, 3))
    for knee in (4, 5):
        pose[:, knee] = np.stack([rng.uniform(0, 2, frames), np.zeros(frames), np.zeros(frames)], -1)
    for elbow, side in ((18, -1), (19, 1)):
        pose[:, elbow] = np.stack([np.zeros(frames), side * rng.uniform(0, 2, frames), np.zeros(frames)], -1)
    pose[:, [1, 2]] += rng.uniform(-0.8, 0.3, (frames, 2, 1)) * (1, 0, 0)
    pose[:, 16, 2] -= rng.uniform(0, 1.4, frames)
    pose[:, 17, 2] += rng.uniform(0, 1.4, frames)
    rotmats = axis_angle_to_matrix(torch.from_numpy(pose))
    turn = axis_angle_to_matrix(torch.tensor([0.0, yaw, 0.0], dtype=torch.float64))
    rotmats[:, 0] = UPRIGHT @ turn @ rotmats[:, 0]
    return rotmats


def pose_neutral(rotmats: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """(global rotations, joints) of the neutral body."""
    turned, joints = compute_world_transforms(torch.from_numpy(REST), rotmats, torch.zeros(len(rotmats), 3).double())
    return turned.numpy(), joints.numpy()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), yaw=st.floats(-3.2, 3.2))
def test_exact_joints_come_back_within_a_tenth_of_a_millimetre(seed: int, yaw: float) -> None:
    _, joints = pose_neutral(make_plausible_pose(seed, yaw))
    _, again = pose_neutral(torch.from_numpy(solve_from_joints(joints, REST)))
    assert np.abs(again - joints).max() < 1e-4


def test_bent_limbs_show_their_twist() -> None:
    pose = torch.zeros(1, 24, 3, dtype=torch.float64)
    pose[0, 16] = torch.tensor([0.4, 0.0, 0.0])  # the left upper arm twisted about itself
    pose[0, 18] = torch.tensor([0.0, -1.2, 0.0])  # and the elbow bent
    pose[0, 1] = torch.tensor([0.0, 0.5, 0.0])
    pose[0, 4] = torch.tensor([1.2, 0.0, 0.0])
    truth = axis_angle_to_matrix(pose)
    _, joints = pose_neutral(truth)
    found = matrix_to_axis_angle(torch.from_numpy(solve_from_joints(joints, REST)))
    # The rest pose's limbs are not exactly along the axes, so the twist is known within a few degrees.
    assert np.allclose(found[0, [1, 4, 16, 18]], pose[0, [1, 4, 16, 18]], atol=0.12)


def test_landmarks_on_the_body_give_a_start_within_five_centimetres() -> None:
    markers = load_markers()
    for seed, yaw in enumerate((0.0, 1.0, 1.6, 3.1)):
        rotmats = make_plausible_pose(seed, yaw, frames=20)
        turned, joints = pose_neutral(rotmats)
        start = solve_from_markers(place_markers(joints, turned, markers), markers, REST)
        _, again = pose_neutral(torch.from_numpy(start))
        apart = np.linalg.norm((again - again[:, :1]) - (joints - joints[:, :1]), axis=-1)
        assert apart[:, :22].mean() < 0.03
        assert apart[:, :22].mean(0).max() < 0.05


def test_rotations_are_proper_even_from_opposite_and_degenerate_directions() -> None:
    start = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
    turned = compute_swing(start, -start)
    assert np.allclose(np.einsum("nij,nj->ni", turned, start), -start, atol=1e-6)
    assert np.allclose(np.linalg.det(turned), 1)
    flat = align_vectors(
        np.array([[1.0, 0, 0], [2.0, 0, 0]]), np.array([[[0, 1.0, 0], [0, 2.0, 0]]]), np.eye(3)[None], 1e-6
    )
    assert np.linalg.det(flat[0]) == pytest.approx(1)
    assert np.allclose(flat[0] @ [1, 0, 0], [0, 1, 0], atol=1e-5)
    mirror = find_nearest_rotation(np.diag([1.0, 1.0, -1.0]))
    assert np.linalg.det(mirror) == pytest.approx(1)
