"""Keypoints in pictures in memory: a painted person of known joints, small and large; nobody; no weights."""

import numpy as np
import pytest

from annotators import weights
from annotators.blazepose.pictures import PictureKeypoints
from humove.body import Body, joints_of_pose
from humove.camera import intrinsics_from_fov, project
from humove.errors import UserError
from humove.painter import Clothes, paint
from humove.skeletons import MEDIAPIPE_33, SMPL_JOINTS

POINTS = tuple(f"{side}_{part}" for part in ("shoulder", "hip", "knee", "ankle") for side in ("left", "right"))


@pytest.fixture(scope="module")
def detect() -> PictureKeypoints:
    return PictureKeypoints()


def painted(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Three pictures of a person who walks sideways, and the joints (3, 24, 2) px."""
    body, camera = Body.load(), intrinsics_from_fov(width, height, 55.0)
    orient, pose = np.zeros((3, 3), np.float32), np.zeros((3, 23, 3), np.float32)
    orient[:, 0] = np.pi  # upright before a camera whose y points down
    pose[:, 15, 2], pose[:, 16, 2] = -1.1, 1.1  # the arms hang
    transl = np.float32([[-0.1, 0, 2.6], [0, 0, 2.6], [0.1, 0, 2.6]])
    vertices = body.vertices(np.concatenate([orient[:, None], pose], 1), transl)
    ground = np.full((height, width, 3), (150, 170, 190), np.uint8)
    colors = Clothes().face_colors(body.regions, body.face_regions)
    pictures = np.stack([paint(each, body.faces, colors, camera, ground) for each in vertices])
    return pictures, project(joints_of_pose(body.rest_joints, orient, pose, transl), camera)


@pytest.mark.parametrize(("width", "height"), [(96, 128), (240, 320)])
def test_a_painted_person_is_seen_where_it_is_however_small_the_picture(
    detect: PictureKeypoints, width: int, height: int
) -> None:
    pictures, joints = painted(width, height)
    found = detect(pictures, 8)
    assert found.keypoints.shape == (3, 33, 2) and found.skeleton == "mediapipe_33" and found.names == MEDIAPIPE_33
    seen = found.keypoints[:, [MEDIAPIPE_33.index(name) for name in POINTS]]
    apart = np.linalg.norm(seen - joints[:, [SMPL_JOINTS.index(name) for name in POINTS]], axis=-1)
    tall = np.ptp(joints[..., 1])
    assert np.median(apart) < 0.04 * tall and apart.max() < 0.1 * tall
    assert (found.scores[:, [MEDIAPIPE_33.index(name) for name in POINTS]] > 0.5).all()
    moved = seen[2, :, 0].mean() - seen[0, :, 0].mean()
    assert moved == pytest.approx(joints[2, :, 0].mean() - joints[0, :, 0].mean(), rel=0.2)


def test_nobody_is_scores_of_nothing(detect: PictureKeypoints) -> None:
    found = detect(np.full((3, 128, 96, 3), 120, np.uint8), 8)
    assert found.scores.shape == (3, 33) and not found.scores.any() and found.names == MEDIAPIPE_33


def test_missing_weights_are_one_line_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr(weights, "default_folder", lambda: tmp_path)
    with pytest.raises(UserError, match="humove weights get"):
        PictureKeypoints()
