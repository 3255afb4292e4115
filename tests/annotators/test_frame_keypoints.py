"""Keypoints in frames in memory: a painted person of known joints, small and large; nobody; no weights."""

import numpy as np
import pytest

from annotators.blazepose.frame_keypoints import FrameKeypoints
from annotators.weights import table as weights
from humove.drawing.painter import Clothes, paint_mesh
from humove.errors import UserError
from humove.motion.body import Body, compute_joints
from humove.motion.camera import intrinsics_from_fov, project_points
from humove.motion.skeletons import MEDIAPIPE_33, SMPL_JOINTS

POINTS = tuple(f"{side}_{part}" for part in ("shoulder", "hip", "knee", "ankle") for side in ("left", "right"))


@pytest.fixture(scope="module")
def detect() -> FrameKeypoints:
    return FrameKeypoints()


def paint_walk(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Paint three frames of a person who walks sideways; returns them and the joints (3, 24, 2) px."""
    body, camera = Body.load(), intrinsics_from_fov(width, height, 55.0)
    orient, pose = np.zeros((3, 3), np.float32), np.zeros((3, 23, 3), np.float32)
    orient[:, 0] = np.pi  # upright before a camera whose y points down
    pose[:, 15, 2], pose[:, 16, 2] = -1.1, 1.1  # the arms hang
    transl = np.float32([[-0.1, 0, 2.6], [0, 0, 2.6], [0.1, 0, 2.6]])
    vertices = body.compute_vertices(np.concatenate([orient[:, None], pose], 1), transl)
    ground = np.full((height, width, 3), (150, 170, 190), np.uint8)
    colors = Clothes().get_face_colors(body.regions, body.face_regions)
    images = np.stack([paint_mesh(each, body.faces, colors, camera, ground) for each in vertices])
    return images, project_points(compute_joints(body.rest_joints, orient, pose, transl), camera)


@pytest.mark.parametrize(("width", "height"), [(96, 128), (240, 320)])
def test_a_painted_person_is_found_in_small_and_large_frames(detect: FrameKeypoints, width: int, height: int) -> None:
    images, joints = paint_walk(width, height)
    found = detect(images, 8)
    assert found.keypoints.shape == (3, 33, 2) and found.skeleton == "mediapipe_33" and found.names == MEDIAPIPE_33
    points = found.keypoints[:, [MEDIAPIPE_33.index(name) for name in POINTS]]
    apart = np.linalg.norm(points - joints[:, [SMPL_JOINTS.index(name) for name in POINTS]], axis=-1)
    tall = np.ptp(joints[..., 1])
    assert np.median(apart) < 0.04 * tall and apart.max() < 0.1 * tall
    assert (found.scores[:, [MEDIAPIPE_33.index(name) for name in POINTS]] > 0.5).all()
    moved = points[2, :, 0].mean() - points[0, :, 0].mean()
    assert moved == pytest.approx(joints[2, :, 0].mean() - joints[0, :, 0].mean(), rel=0.2)


def test_nobody_gives_scores_of_zero(detect: FrameKeypoints) -> None:
    found = detect(np.full((3, 128, 96, 3), 120, np.uint8), 8)
    assert found.scores.shape == (3, 33) and not found.scores.any() and found.names == MEDIAPIPE_33


def test_missing_weights_are_an_error_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr(weights, "get_default_folder", lambda: tmp_path)
    with pytest.raises(UserError, match="humove weights get"):
        FrameKeypoints()
