import numpy as np
import pytest
import torch

from humove.motion.body import Body, compute_joints, forward_kinematics, sum_bone_lengths
from humove.motion.rotations import axis_angle_to_matrix
from humove.motion.skeletons import SMPL_JOINTS, SMPL_PARENTS

L_SHOULDER, L_ELBOW, L_WRIST, L_KNEE, L_HIP = (
    SMPL_JOINTS.index(n) for n in ("left_shoulder", "left_elbow", "left_wrist", "left_knee", "left_hip")
)


def compute_exponential(rotvec) -> np.ndarray:
    """Compute (..., 3, 3) by the matrix exponential, an independent reference."""
    x, y, z = np.moveaxis(np.asarray(rotvec, dtype=np.float64), -1, 0)
    o = np.zeros_like(x)
    cross = np.stack([o, -z, y, z, o, -x, -y, x, o], -1).reshape(*x.shape, 3, 3)
    return torch.linalg.matrix_exp(torch.from_numpy(cross)).numpy()


@pytest.fixture(scope="module")
def body() -> Body:
    return Body.load()


@pytest.mark.parametrize("shape", Body.list_shapes())
def test_every_shape_is_a_person_in_t_pose(shape):
    body = Body.load(shape)
    joints = body.rest_joints
    assert joints.shape == (24, 3) and joints.dtype == np.float32
    assert 1.5 < body.stature < 1.95
    leg = np.linalg.norm(joints[4] - joints[1]) + np.linalg.norm(joints[7] - joints[4])
    assert 0.4 * body.stature < leg < 0.53 * body.stature
    arm = joints[[16, 18, 20, 22]]
    assert (np.diff(arm[:, 0]) > 0).all(), "the left arm points to +x"
    assert np.ptp(arm[:, 1]) < 0.02, "the arms are level"
    assert joints[10, 2] > joints[7, 2] + 0.08, "the toes point to +z"
    np.testing.assert_allclose(joints[[1, 4, 7, 16, 20]] * (-1, 1, 1), joints[[2, 5, 8, 17, 21]], atol=1e-6)
    assert np.abs(body.rest_vertices - joints[body.bone_indices[:, 0]]).max() < 0.5


def test_the_mesh_is_consistent(body):
    assert body.parents == SMPL_PARENTS
    np.testing.assert_allclose(body.bone_weights.sum(1), 1, atol=1e-5)
    assert body.faces.min() == 0 and body.faces.max() == len(body.rest_vertices) - 1
    assert len(body.face_regions) == len(body.faces)
    corners = body.rest_vertices[body.faces]
    volume = np.einsum("fi,fi->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    assert 0.045 < volume < 0.11, "litres of a person, and faces that look outwards"
    for name in ("skin_head", "hair", "torso", "hand", "foot", "iris", "lips"):
        assert (body.face_regions == body.regions.index(name)).sum() >= 8


def test_eyes_lie_on_the_front_of_the_head(body):
    eyes = body.rest_vertices[body.faces[body.face_regions == body.regions.index("eye_white")]].mean(1)
    head = body.rest_joints[SMPL_JOINTS.index("head")]
    assert (eyes[:, 2] > head[2] + 0.05).all() and (np.abs(eyes[:, 0]) < 0.06).all()


def test_an_unknown_shape_is_named():
    with pytest.raises(ValueError, match="neutral"):
        Body.load("giant")


def test_forward_kinematics_is_the_plain_chain(body):
    rng = np.random.default_rng(0)
    pose, transl = rng.normal(0, 0.7, (5, 24, 3)), rng.normal(size=(5, 3))
    got = compute_joints(body.rest_joints, pose[:, 0], pose[:, 1:], transl)
    for n in range(5):
        turns, places = [None] * 24, np.zeros((24, 3))
        for j, parent in enumerate(SMPL_PARENTS):
            local = compute_exponential(pose[n, j])
            if parent < 0:
                turns[j], places[j] = local, body.rest_joints[0] + transl[n]
            else:
                turns[j] = turns[parent] @ local
                places[j] = places[parent] + turns[parent] @ (body.rest_joints[j] - body.rest_joints[parent])
        np.testing.assert_allclose(got[n], places, atol=1e-5)


def test_the_root_turns_about_the_pelvis(body):
    assert np.abs(body.rest_joints[0]).max() > 0.1, "the origin is not the pelvis, as in SMPL"
    transl = np.array([[0.3, -0.1, 4.0]], dtype=np.float32)
    turned = compute_joints(body.rest_joints, np.array([[0.4, 2.0, -1.0]]), np.zeros((1, 23, 3)), transl)
    np.testing.assert_allclose(turned[0, 0], body.rest_joints[0] + transl[0], atol=1e-6)


def test_forward_kinematics_has_finite_gradients_at_rest(body):
    pose = torch.zeros(2, 24, 3, dtype=torch.float64, requires_grad=True)
    rest = torch.from_numpy(body.rest_joints).double().requires_grad_()
    transl = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    joints = forward_kinematics(rest, axis_angle_to_matrix(pose), transl)
    joints[:, L_WRIST, 2].sum().backward()
    # About y, the left wrist's z falls by its distance from the joint along x.
    lever = body.rest_joints[L_WRIST, 0] - body.rest_joints[L_SHOULDER, 0]
    assert pose.grad[0, L_SHOULDER, 1] == pytest.approx(-lever, abs=1e-5)
    assert torch.isfinite(pose.grad).all() and torch.isfinite(rest.grad).all()
    np.testing.assert_allclose(transl.grad.numpy(), [[0, 0, 1]] * 2)


def test_rest_joints_may_differ_by_frame(body):
    rest = torch.from_numpy(body.rest_joints).double()
    eye = torch.eye(3, dtype=torch.float64).expand(2, 24, 3, 3)
    got = forward_kinematics(torch.stack([rest, 2 * rest]), eye, torch.zeros(2, 3, dtype=torch.float64))
    np.testing.assert_allclose(got[1].numpy(), 2 * got[0].numpy())


def test_the_elbow_bends_the_forearm_forward(body):
    pose = np.zeros((1, 23, 3))
    pose[0, L_ELBOW - 1, 1] = -np.pi / 2
    joints = compute_joints(body.rest_joints, np.zeros((1, 3)), pose, np.zeros((1, 3)))[0]
    forearm = joints[L_WRIST] - joints[L_ELBOW]
    assert forearm[2] > 0.2 and abs(forearm[0]) < 0.02


def test_rest_pose_gives_the_rest_mesh_and_translation_moves_it(body):
    moved = body.compute_vertices(np.zeros((2, 24, 3)), np.array([[0, 0, 0], [1, 2, 3]]))
    np.testing.assert_allclose(moved[0], body.rest_vertices, atol=1e-6)
    np.testing.assert_allclose(moved[1], body.rest_vertices + (1, 2, 3), atol=1e-5)


def test_a_turned_root_turns_the_mesh_about_the_pelvis(body):
    turn = np.array([0.3, 1.1, -0.4])
    pose = np.zeros((1, 24, 3))
    pose[0, 0] = turn
    pelvis = body.rest_joints[0]
    want = (body.rest_vertices - pelvis) @ compute_exponential(turn).T + pelvis
    np.testing.assert_allclose(body.compute_vertices(pose, np.zeros((1, 3)))[0], want, atol=1e-5)


def test_the_mesh_follows_a_skeleton_of_other_size(body):
    double = body.compute_vertices(np.zeros((1, 24, 3)), np.zeros((1, 3)), rest_joints=2 * body.rest_joints)[0]
    np.testing.assert_allclose(double, 2 * body.rest_vertices, atol=1e-5)
    scaled = body.compute_vertices(np.zeros((1, 24, 3)), np.zeros((1, 3)), scale=2.0)[0]
    np.testing.assert_allclose(scaled, double, atol=1e-5)
    assert sum_bone_lengths(2 * body.rest_joints) == pytest.approx(2 * sum_bone_lengths(body.rest_joints))


def test_longer_shins_take_the_feet_with_them(body):
    rest = body.rest_joints.copy()
    rest[[7, 8, 10, 11], 1] -= 0.1
    longer = body.compute_vertices(np.zeros((1, 24, 3)), np.zeros((1, 3)), rest_joints=rest)[0]
    assert longer[:, 1].min() < body.rest_vertices[:, 1].min() - 0.08


def test_scaling_scales_everything(body):
    tall = body.scale(1.1)
    assert tall.stature == pytest.approx(1.1 * body.stature, rel=1e-5)
    np.testing.assert_allclose(tall.rest_joints, 1.1 * body.rest_joints, rtol=1e-5)
    with pytest.raises(ValueError, match="above zero"):
        body.scale(0)
