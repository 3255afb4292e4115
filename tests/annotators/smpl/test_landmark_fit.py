"""The fit with an SMPL file at hand: true betas, on landmarks made from a body of known betas."""

import numpy as np
import pytest
import torch

from annotators.landmark_fit.annotator import LandmarkFit, MotionInput
from annotators.landmark_fit.config import LandmarkFitConfig
from annotators.landmark_fit.markers import load_markers
from annotators.landmark_fit.model import load_model
from annotators.landmark_fit.size import measure_bone_lengths, place_markers
from annotators.landmark_fit.solver.shape import fit_betas
from annotators.smpl.body import SmplBody
from annotators.weights.user_files import UserWeights, hash_path
from humove.errors import UserError
from humove.motion.body import Body, compute_joints, compute_world_transforms
from humove.motion.camera import intrinsics_from_fov, project_points
from humove.motion.rotations import axis_angle_to_matrix
from humove.motion.skeletons import MEDIAPIPE_33
from humove.types import Landmarks, SmplMotion
from tests.annotators.smpl.official import ARMS, LEGS, SIZE

pytestmark = pytest.mark.extra("smpl")
FRAMES = 30
STATURE = 1.7


@pytest.fixture(scope="module")
def body(smpl_npz) -> SmplBody:
    return SmplBody.load(smpl_npz)


@pytest.fixture(scope="module")
def markers():
    return load_markers().scale_by(STATURE / Body.load().stature)


def set_stature(body: SmplBody, betas: np.ndarray) -> np.ndarray:
    """The same proportions, with the beta of size set so that the body is as tall as the fit assumes."""
    out = betas.copy()
    out[SIZE] = (STATURE - body.compute_stature(betas * (np.arange(10) != SIZE))) / body.height_dirs[SIZE]
    return out


@pytest.mark.parametrize(("legs", "arms"), [(0, 0), (2, -1), (-1.5, 1.5)])
def test_betas_are_found_from_the_limbs(body, markers, legs, arms) -> None:
    betas = np.zeros(10)
    betas[[LEGS, ARMS]] = legs, arms
    betas = set_stature(body, betas)
    points = markers.place_at_rest(body.compute_rest_joints(betas))[None].repeat(5, 0)
    found = fit_betas(points, body, markers, STATURE, limb_freedom=1.0)
    assert found[:3] == pytest.approx(betas[:3], abs=0.05)
    assert body.compute_stature(found) == pytest.approx(STATURE, abs=0.002)
    assert found[4:] == pytest.approx(np.zeros(6), abs=1e-3)  # betas without effect stay at the mean


def test_limb_freedom_weights_the_measured_limbs(body, markers) -> None:
    betas = set_stature(body, np.array([0, 2.0, -2.0] + 7 * [0]))
    points = markers.place_at_rest(body.compute_rest_joints(betas))[None].repeat(5, 0)
    by_trust = [fit_betas(points, body, markers, STATURE, freedom)[ARMS] for freedom in (0.0, 0.3, 1.0)]
    assert by_trust[0] == pytest.approx(0, abs=1e-3)
    assert -1.8 < by_trust[1] < -0.4
    assert by_trust[2] == pytest.approx(-2, abs=0.05)


def make_landmarks(body: SmplBody, betas: np.ndarray, markers) -> tuple[MotionInput, np.ndarray]:
    """Landmarks of a body with those betas that bends its knees and swings its arms; its joints (N, 24, 3)."""
    t = np.arange(FRAMES) / 30
    pose = np.zeros((FRAMES, 24, 3))
    bend = 0.5 - 0.5 * np.cos(2 * np.pi * t)
    pose[:, 0, 0] = np.pi
    pose[:, [1, 2], 0], pose[:, [4, 5], 0] = -0.7 * bend[:, None], 0.1 + 1.1 * bend[:, None]
    pose[:, 16, 2], pose[:, 17, 2] = -1.1 + 0.5 * bend, 1.1 - 0.5 * bend
    rest = body.compute_rest_joints(betas)
    transl = np.tile([0.0, 0.2, 3.2], (FRAMES, 1))
    turned, joints = compute_world_transforms(
        torch.from_numpy(rest), axis_angle_to_matrix(torch.from_numpy(pose)), torch.from_numpy(transl)
    )
    points = place_markers(joints.numpy(), turned.numpy(), markers)
    intrinsics = intrinsics_from_fov(480, 640, 55.0)
    pixels = project_points(points, intrinsics.astype(np.float64)).astype(np.float32)
    world = (points - points[:, [23, 24]].mean(1, keepdims=True)).astype(np.float32)
    landmarks = Landmarks(
        keypoints=pixels, scores=np.ones((FRAMES, 33), np.float32), skeleton="mediapipe_33", names=MEDIAPIPE_33,
        world=world, mirror_keypoints=pixels, mirror_world=world, found=np.ones(FRAMES, bool),
    )  # fmt: skip
    clip = MotionInput(
        landmarks=landmarks, fps=30.0, width=480, height=640, intrinsics=intrinsics, source_frames=np.arange(FRAMES)
    )
    return clip, joints.numpy()


@pytest.fixture(scope="module")
def clip(body, markers):
    return make_landmarks(body, set_stature(body, np.array([0, 1.5, 1.5] + 7 * [0])), markers)


def fitted(clip: MotionInput, smpl: UserWeights) -> tuple[LandmarkFit, SmplMotion]:
    annotator = LandmarkFit(LandmarkFitConfig(iterations=60, limb_freedom=1.0, smpl=smpl))
    annotator.load("cpu")
    return annotator, annotator.annotate([clip])[0]


def test_with_the_file_the_motion_is_of_smpl(clip, body, smpl_pickle) -> None:
    item, truth = clip
    annotator, motion = fitted(item, UserWeights(path=str(smpl_pickle), sha256=hash_path(smpl_pickle)))
    assert (annotator.shape_source, annotator.body_model["name"]) == ("true", "smpl")
    assert annotator.rights == "non-commercial" and "SMPL" in annotator.licence
    assert np.abs(motion.betas).max() > 0.3 and motion.betas.dtype == np.float32
    # Joints and betas tell of one body: smplx, given the betas and the pose, puts the joints where they are stored.
    posed = body.pose_body(motion.betas, motion.global_orient, motion.body_pose, motion.transl)
    assert np.abs(posed.joints - motion.joints).max() < 1e-4
    assert motion.rest_joints == pytest.approx(body.compute_rest_joints(motion.betas), abs=1e-5)
    own = compute_joints(motion.rest_joints, motion.global_orient, motion.body_pose, motion.transl)
    assert np.abs(own - motion.joints).max() < 1e-4
    limbs = [np.linalg.norm(j[:, :22] - j[:, :1], axis=-1) for j in (motion.joints, truth)]
    assert 1000 * np.abs(limbs[0] - limbs[1]).mean() < 30


def test_without_the_file_betas_are_zero(clip) -> None:
    annotator, motion = fitted(clip[0], UserWeights())
    assert (annotator.shape_source, annotator.body_model["name"]) == ("proxy", "anny-smpl24")
    assert annotator.rights == "permissive" and not motion.betas.any()


def test_a_wrong_file_is_a_one_line_error(tmp_path, smpl_npz) -> None:
    for smpl, message in (
        (UserWeights(path=str(tmp_path / "none.npz")), "motion.landmark_fit.smpl.path: no file"),
        (UserWeights(path=str(smpl_npz), sha256="0" * 64), "another file"),
    ):
        with pytest.raises(UserError, match=message):
            LandmarkFit(LandmarkFitConfig(smpl=smpl)).load("cpu")


def test_bones_of_the_stand_in_and_of_smpl_are_measured_alike(body, markers) -> None:
    """The made SMPL body has the stand-in's joints, so its limbs must come out the same."""
    model = load_model()
    rest = body.compute_rest_joints(np.zeros(10))
    own = measure_bone_lengths(model.markers.place_at_rest(model.rest_joints), model.markers.index)
    assert measure_bone_lengths(load_markers().place_at_rest(rest), model.markers.index) == pytest.approx(own, rel=1e-4)
