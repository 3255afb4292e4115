import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from humove.motion.rotations import (
    axis_angle_to_matrix,
    geodesic_angle,
    matrix_to_6d,
    matrix_to_axis_angle,
    resample_linear,
    resample_rotations,
    sixd_to_matrix,
)

vectors = arrays(np.float64, (5, 3), elements=st.floats(-3, 3, width=32))


def compute_exponential(rotvec) -> np.ndarray:
    """Compute (..., 3, 3) by the matrix exponential, an independent reference."""
    x, y, z = np.moveaxis(np.asarray(rotvec, dtype=np.float64), -1, 0)
    o = np.zeros_like(x)
    cross = np.stack([o, -z, y, z, o, -x, -y, x, o], -1).reshape(*x.shape, 3, 3)
    return torch.linalg.matrix_exp(torch.from_numpy(cross)).numpy()


@given(vectors)
@settings(max_examples=60, deadline=None)
def test_matrices_agree_with_the_matrix_exponential(rotvec):
    ours = axis_angle_to_matrix(torch.from_numpy(rotvec)).numpy()
    np.testing.assert_allclose(ours, compute_exponential(rotvec), atol=1e-9)


@given(vectors)
@settings(max_examples=60, deadline=None)
def test_axis_angle_comes_back_as_the_same_rotation(rotvec):
    matrix = axis_angle_to_matrix(torch.from_numpy(rotvec))
    again = matrix_to_axis_angle(matrix)
    assert float(again.norm(dim=-1).max()) <= np.pi + 1e-9
    np.testing.assert_allclose(axis_angle_to_matrix(again).numpy(), matrix.numpy(), atol=1e-7)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-4, 1e-2, np.pi - 1e-6, np.pi])
def test_gradients_are_finite_where_log_maps_break(angle):
    vector = torch.tensor([[angle, 0.0, 0.0]], dtype=torch.float64, requires_grad=True)
    matrix_to_axis_angle(axis_angle_to_matrix(vector)).sum().backward()
    assert torch.isfinite(vector.grad).all()
    if angle < 3:
        # There and back is the identity map, so the gradient of the sum is one in each component.
        np.testing.assert_allclose(vector.grad.numpy(), np.ones((1, 3)), atol=1e-5)


def test_half_turn_is_recovered():
    for axis in np.eye(3):
        matrix = torch.from_numpy(2 * np.outer(axis, axis) - np.eye(3))
        found = matrix_to_axis_angle(matrix).numpy()
        np.testing.assert_allclose(np.abs(found), np.pi * axis, atol=1e-6)


@given(vectors)
@settings(max_examples=30, deadline=None)
def test_six_numbers_represent_a_rotation(rotvec):
    matrix = axis_angle_to_matrix(torch.from_numpy(rotvec))
    sixd = matrix_to_6d(matrix)
    np.testing.assert_array_equal(sixd[..., :3].numpy(), matrix[..., 0].numpy())
    np.testing.assert_allclose(sixd_to_matrix(3 * sixd).numpy(), matrix.numpy(), atol=1e-9)


def test_geodesic_angle_is_the_angle_between():
    a = torch.from_numpy(compute_exponential(np.radians([[0, 0, 10], [0, 0, 100]])))
    b = torch.from_numpy(compute_exponential(np.radians([[0, 0, 40], [0, 0, 100]])))
    np.testing.assert_allclose(geodesic_angle(a, b).numpy(), np.radians([30, 0]), atol=1e-6)


def test_slerp_has_constant_speed_on_the_shorter_arc():
    turns = np.zeros((2, 1, 3), dtype=np.float32)
    turns[0, 0, 1], turns[1, 0, 1] = np.radians(170), np.radians(-170)
    new = resample_rotations(turns, np.array([0.0, 1.0]), np.array([-1.0, 0.0, 0.25, 0.5, 1.0, 9.0]))
    angles = np.degrees(new[:, 0, 1]) % 360
    np.testing.assert_allclose(angles, [170, 170, 175, 180, 190, 190], atol=1e-3)


def test_resampling_to_the_same_times_changes_nothing():
    rng = np.random.default_rng(0)
    pose = rng.uniform(-1.8, 1.8, (9, 24, 3)).astype(np.float32)
    times = np.sort(rng.uniform(0, 1, 9))
    np.testing.assert_allclose(resample_rotations(pose, times, times), pose, atol=1e-5)
    moved = rng.normal(size=(9, 3)).astype(np.float32)
    np.testing.assert_allclose(resample_linear(moved, times, times), moved, atol=1e-6)


def test_linear_resampling_halfway():
    values = np.array([[0.0, 10.0], [2.0, 20.0]])
    np.testing.assert_allclose(resample_linear(values, np.array([0, 2]), np.array([1])), [[1.0, 15.0]])


def test_one_row_is_repeated():
    assert resample_rotations(np.ones((1, 2, 3)), np.array([5.0]), np.arange(4)).shape == (4, 2, 3)


def test_times_must_ascend():
    with pytest.raises(ValueError, match="ascending"):
        resample_linear(np.zeros((2, 1)), np.array([1.0, 1.0]), np.array([1.0]))
