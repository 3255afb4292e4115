"""smplx on a body whose answers are known."""

import numpy as np
import pytest

from annotators.smpl.body import SmplBody
from humove.motion.body import compute_joints
from tests.annotators.smpl.official import ARMS, LEGS, PER_BETA, SIZE

pytestmark = pytest.mark.extra("smpl")


@pytest.fixture(scope="module")
def body(smpl_npz) -> SmplBody:
    return SmplBody.load(smpl_npz)


def measure_bone(joints: np.ndarray, a: int, b: int) -> float:
    return float(np.linalg.norm(joints[a] - joints[b]))


def test_betas_change_their_bones(body) -> None:
    mean = body.compute_rest_joints(np.zeros(10))
    legs, arms, size = (body.compute_rest_joints(np.eye(10)[k]) for k in (LEGS, ARMS, SIZE))
    assert measure_bone(legs, 1, 4) / measure_bone(mean, 1, 4) == pytest.approx(1 + PER_BETA)
    assert measure_bone(legs, 16, 18) == pytest.approx(measure_bone(mean, 16, 18))
    assert measure_bone(arms, 16, 18) / measure_bone(mean, 16, 18) == pytest.approx(1 + PER_BETA)
    assert size == pytest.approx(mean * (1 + PER_BETA))
    assert body.compute_stature(2 * np.eye(10)[SIZE]) / body.compute_stature(np.zeros(10)) == pytest.approx(
        1 + 2 * PER_BETA
    )


def test_the_pickle_and_the_npz_are_the_same_body(body, smpl_pickle) -> None:
    other = SmplBody.load(smpl_pickle)
    assert (other.joints_dirs == body.joints_dirs).all() and (other.joints_mean == body.joints_mean).all()


def test_smplx_poses_it_as_our_kinematics_do(body) -> None:
    rng = np.random.default_rng(3)
    betas = rng.normal(size=10)
    orient, pose = rng.normal(0, 0.5, (5, 3)), rng.normal(0, 0.4, (5, 23, 3))
    transl = rng.normal(0, 1, (5, 3))
    posed = body.pose_body(betas, orient, pose, transl)
    own = compute_joints(body.compute_rest_joints(betas), orient, pose, transl)
    assert np.abs(posed.joints - own).max() < 1e-4
    # The first 24 vertices sit on the joints, each moved by its own bone.
    assert np.abs(posed.vertices[:, :24] - own).max() < 1e-4


def test_an_elbow_bent_by_a_right_angle_puts_the_forearm_across(body) -> None:
    pose = np.zeros((1, 23, 3))
    pose[0, 17, 1] = -np.pi / 2  # the left elbow; body_pose leaves the pelvis out
    joints = body.pose_body(np.zeros(10), np.zeros((1, 3)), pose, np.array([[1.0, 2.0, 3.0]])).joints[0]
    rest = body.compute_rest_joints(np.zeros(10))
    assert joints[0] == pytest.approx(rest[0] + (1, 2, 3), abs=1e-5)
    forearm = joints[20] - joints[18]
    assert forearm[2] == pytest.approx(rest[20, 0] - rest[18, 0], abs=1e-3)
    assert np.linalg.norm(forearm) == pytest.approx(measure_bone(rest, 18, 20), abs=1e-5)


def test_a_body_with_300_betas_is_read_by_its_first_ten(smpl_arrays, tmp_path, body, capsys) -> None:
    many = np.concatenate([smpl_arrays["shapedirs"], np.full((6890, 3, 290), 9, np.float32)], 2, dtype=np.float32)
    np.savez(tmp_path / "v1.1.npz", **(smpl_arrays | {"shapedirs": many, "posedirs": np.zeros((6890, 3, 207), "f4")}))
    big = SmplBody.load(tmp_path / "v1.1.npz")
    assert big.joints_dirs == pytest.approx(body.joints_dirs, abs=1e-6)
    assert capsys.readouterr().out == ""
