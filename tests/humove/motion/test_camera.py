import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from humove.motion.camera import crop_intrinsics, intrinsics_from_fov, project_points


def test_the_field_of_view_spans_the_longer_side():
    k = intrinsics_from_fov(480, 640, 90)
    assert k[0, 0] == k[1, 1] == pytest.approx(320)
    assert (k[0, 2], k[1, 2]) == (240, 320)
    top = project_points(np.array([0.0, -1.0, 1.0]), k)
    np.testing.assert_allclose(top, (240, 0), atol=1e-4)


@pytest.mark.parametrize("fov", [0, 180, -5])
def test_impossible_fields_of_view_are_named(fov):
    with pytest.raises(ValueError, match="field of view"):
        intrinsics_from_fov(640, 480, fov)


def test_right_is_right_and_down_is_down():
    k = intrinsics_from_fov(640, 480, 55)
    x, y = project_points(np.array([0.5, 0.25, 2.0]), k)
    assert x > 320 and y > 240


def test_numpy_and_torch_agree_and_torch_has_gradients():
    k = intrinsics_from_fov(640, 480, 55)
    points = np.random.default_rng(0).normal(size=(4, 7, 3)) + (0, 0, 4)
    tensor = torch.from_numpy(points).requires_grad_()
    pixels = project_points(tensor, torch.from_numpy(k).double())
    np.testing.assert_allclose(pixels.detach().numpy(), project_points(points, k), rtol=1e-6)
    pixels.sum().backward()
    assert torch.isfinite(tensor.grad).all()


def test_points_behind_the_camera_stay_finite():
    assert np.isfinite(
        project_points(np.array([[1.0, 1.0, -2.0], [1.0, 1.0, 0.0]]), intrinsics_from_fov(10, 10, 60))
    ).all()


@given(st.floats(0, 200), st.floats(0, 200), st.floats(20, 400), st.floats(20, 400), st.integers(16, 900))
def test_a_crop_moves_projected_points_with_it(x0, y0, width, height, out):
    k = intrinsics_from_fov(640, 480, 55)
    point = np.array([0.3, -0.2, 3.0])
    before = project_points(point, k)
    after = project_points(point, crop_intrinsics(k, (x0, y0, x0 + width, y0 + height), out, 2 * out))
    np.testing.assert_allclose(after, (before - (x0, y0)) * (out / width, 2 * out / height), rtol=1e-4, atol=1e-2)


def test_an_empty_crop_is_refused():
    with pytest.raises(ValueError, match="empty"):
        crop_intrinsics(np.eye(3), (5, 5, 5, 9), 10, 10)
