"""Each program's file, through the annotator, against the motion that was written into it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from annotators.motion_clip import WorldMotion
from annotators.motion_smoothing.config import SmoothingConfig
from annotators.results.annotator import ResultsMotion
from annotators.results.config import ResultsConfig
from annotators.weights.user_files import UserWeights
from humove.motion.body import compute_joints
from humove.motion.camera import project_points
from humove.motion.rotations import axis_angle_to_matrix, geodesic_angle
from humove.stage import Reject
from tests.annotators.motion_clips import VIDEO_ID, make_motion_clip
from tests.annotators.results.bodies import BodyFiles
from tests.annotators.results.conftest import FRAMES, Truth
from tests.annotators.results.written import camera_walk, write_camerahmr, write_gvhmr, write_sam3d, write_wham

pytestmark = pytest.mark.extra("smpl")
SIZE = (640, 480)
STILL = SmoothingConfig(width_s=0)


def load_results(folder: Path, bodies: BodyFiles, form: str) -> ResultsMotion:
    files = {
        "folder": folder, "smpl": bodies.smpl, "smplx": bodies.smplx, "smplx_to_smpl": bodies.transfer,
        "mhr_to_smpl": bodies.mapping, "mhr_faces": bodies.faces,
    }  # fmt: skip
    weights = {name: UserWeights(path=str(path)) for name, path in files.items()}
    made = ResultsMotion(ResultsConfig(format=form, smoothing=STILL, **weights))
    made.load("cpu")
    return made


def annotate(folder: Path, bodies: BodyFiles, form: str, **clip) -> WorldMotion | Reject:
    (found,) = load_results(folder, bodies, form).annotate(
        [make_motion_clip(**{"frames": FRAMES, "size": SIZE} | clip)]
    )
    return found


def check_motion(found: WorldMotion, truth: Truth, *, degrees: float, mm: float, shape_mm: float) -> None:
    motion = found.motion
    pose = np.concatenate([motion.global_orient[:, None], motion.body_pose], 1).astype(np.float64)
    off = geodesic_angle(*(axis_angle_to_matrix(torch.from_numpy(p)) for p in (pose, truth.pose))).numpy()
    assert np.degrees(off).max() < degrees
    true = compute_joints(truth.rest_joints, truth.pose[:, 0], truth.pose[:, 1:], truth.transl)
    assert 1000 * np.abs(motion.joints - true).max() < mm
    bones = [rest - rest[0] for rest in (motion.rest_joints, truth.rest_joints)]
    assert 1000 * np.abs(bones[0] - bones[1]).max() < shape_mm


def test_camerahmr_by_frames(bodies: BodyFiles, truth: Truth, tmp_path: Path, no_network) -> None:
    """The clip has the focal length of most frames; the depth of the others changes, so that pixels stay."""
    focal = np.full(FRAMES, 500.0)
    focal[[3, 7]] = 550
    write_camerahmr(tmp_path / "people" / "walk", truth, (1280, 960), focal)
    found = annotate(tmp_path, bodies, "camerahmr")
    check_motion(found, truth, degrees=0.1, mm=1, shape_mm=0.1)
    camera = found.motion.cam_intrinsics
    np.testing.assert_allclose(camera, [[250, 0, 320], [0, 250, 240], [0, 0, 1]])
    assert found.focal.source == "annotator" and "CameraHMR" in found.focal.detail and found.world is None
    np.testing.assert_allclose(found.motion.rest_joints, truth.rest_joints, atol=1e-5)
    np.testing.assert_allclose(found.motion.betas, truth.betas, atol=1e-5)


def test_camerahmr_by_clip_with_lost_frames(bodies: BodyFiles, truth: Truth, tmp_path: Path) -> None:
    """A folder named by the clip counts from the clip's first frame; frames without a file are not valid."""
    folder = tmp_path / f"{VIDEO_ID}-s0000-c0000-p00"
    write_camerahmr(folder, truth, SIZE, np.full(FRAMES, 500.0))
    for lost in (0, 5, 6):
        (folder / f"{lost:06d}.npy").unlink()
    motion = annotate(tmp_path, bodies, "camerahmr", start=100).motion
    assert np.flatnonzero(~motion.valid).tolist() == [0, 5, 6] and (motion.confidence[~motion.valid] == 0).all()
    assert motion.source_frames[0] == 100
    true = truth.transl + truth.rest_joints[0]
    np.testing.assert_allclose(motion.joints[motion.valid, 0], true[motion.valid], atol=1e-4)
    np.testing.assert_allclose(motion.joints[5, 0], (2 * true[4] + true[7]) / 3, atol=1e-4)


def test_camerahmr_stacked(bodies: BodyFiles, truth: Truth, tmp_path: Path) -> None:
    """One npz for a longer video, rows numbered in any order; the clip is its frames 100 to 112."""
    turns = axis_angle_to_matrix(torch.from_numpy(truth.pose)).numpy()
    order = np.random.default_rng(0).permutation(FRAMES)
    np.savez(
        tmp_path / f"{VIDEO_ID}.npz", global_orient=turns[order, :1], body_pose=turns[order, 1:], render_res=SIZE,
        betas=np.tile(truth.betas, (FRAMES, 1)), cam_t=truth.transl[order], scaled_focal_length=500.0,
        frame_ids=100 + order,
    )  # fmt: skip
    found = annotate(tmp_path, bodies, "camerahmr", start=100, video_frames=300)
    check_motion(found, truth, degrees=0.1, mm=1, shape_mm=0.1)


def check_world(found: WorldMotion) -> None:
    rotation, position = camera_walk(FRAMES)
    np.testing.assert_allclose(found.world.rotation, rotation, atol=1e-4)
    np.testing.assert_allclose(found.world.position, position, atol=1e-3)
    np.testing.assert_allclose(found.world.gravity, np.einsum("nji,j->ni", rotation, [0, -1, 0]), atol=1e-4)
    np.testing.assert_allclose(found.world.gravity, np.tile([0, 1, 0], (FRAMES, 1)), atol=1e-4)  # a level camera


def test_wham_takes_the_person_of_the_track(bodies: BodyFiles, truth: Truth, smpl, tmp_path: Path, no_network) -> None:
    """Two people, one of them within the track's boxes; the camera maps one frame's body to the other's."""
    write_wham(tmp_path / f"{VIDEO_ID}.pkl", truth)
    diagonal = float(np.hypot(*SIZE))
    camera = np.array([[diagonal, 0, 320], [0, diagonal, 240], [0, 0, 1]])
    pixels = project_points(
        compute_joints(truth.rest_joints, truth.pose[:, 0], truth.pose[:, 1:], truth.transl), camera
    )
    box = (*pixels[:, :, 0:2].min((0, 1)), *pixels.max((0, 1)))
    found = annotate(tmp_path, bodies, "wham", box=box)
    check_motion(found, truth, degrees=0.1, mm=1, shape_mm=0.1)
    np.testing.assert_allclose(found.motion.cam_intrinsics, camera, rtol=1e-6)
    assert "diagonal" in found.focal.detail
    check_world(found)


def test_gvhmr_is_refitted_to_smpl(bodies: BodyFiles, truth: Truth, tmp_path: Path, no_network) -> None:
    (tmp_path / "people" / "walk").mkdir(parents=True)
    write_gvhmr(tmp_path / "people" / "walk" / "hmr4d_results.pt", truth, (1280, 960), 1000.0)
    found = annotate(tmp_path, bodies, "gvhmr")
    check_motion(found, truth, degrees=0.3, mm=2, shape_mm=1)
    np.testing.assert_allclose(found.motion.cam_intrinsics, [[500, 0, 320], [0, 500, 240], [0, 0, 1]])
    check_world(found)


def test_sam3d_body_goes_through_the_mapping(bodies: BodyFiles, truth: Truth, tmp_path: Path, no_network) -> None:
    """Meshes determine less than a pose: the skin agrees to millimetres, the limbs' twist to degrees."""
    write_sam3d(tmp_path / VIDEO_ID, truth, 900.0)
    found = annotate(tmp_path, bodies, "sam3d_body", video_size=(1280, 960))
    check_motion(found, truth, degrees=4, mm=10, shape_mm=25)
    np.testing.assert_allclose(found.motion.cam_intrinsics, [[450, 0, 320], [0, 450, 240], [0, 0, 1]])
    assert found.world is None
