"""NLF by torch.jit.load: boxes, camera, units, frames, mirroring, lost frames, and invalid files."""

from pathlib import Path

import numpy as np
import pytest
import torch

from annotators.motion_smoothing.config import SmoothingConfig
from annotators.nlf.annotator import NlfMotion
from annotators.nlf.config import NlfConfig
from annotators.nlf.mirror import mirror_back, mirror_view
from annotators.nlf.model import NlfModel
from annotators.nlf.network import NlfNetwork
from annotators.weights.user_files import UserWeights
from humove.errors import UserError
from humove.motion.body import compute_joints
from humove.motion.camera import project_points
from humove.stage import Reject
from humove.types import SmplMotion
from tests.annotators.motion_clips import make_motion_clip
from tests.annotators.nlf.stand_in import LEFT, RAISE, RIGHT, UNSURE_MM, write_nlf

pytestmark = pytest.mark.extra("nlf")
STILL = SmoothingConfig(width_s=0)


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return write_nlf(tmp_path_factory.mktemp("nlf") / "nlf_l_multi.torchscript")


def make_image(left: int, right: int) -> np.ndarray:
    image = np.full((240, 320, 3), left, np.uint8)
    image[:, 160:] = right
    return image


def annotate(clip, weights: Path, **settings) -> SmplMotion | Reject:
    config = NlfConfig(weights=UserWeights(path=str(weights)), **{"smoothing": STILL, "batch_size": 4, **settings})
    annotator = NlfMotion(config)
    annotator.load("cpu")
    (motion,) = annotator.annotate([clip])
    return motion


def load_model(weights: Path) -> NlfModel:
    network = NlfNetwork(NlfConfig(weights=UserWeights(path=str(weights))))
    network.load("cpu")
    return NlfModel(network)


def test_positions_are_metres_in_the_given_camera(weights: Path, no_network) -> None:
    """The box is 120 x 200 px about (160, 120): a body of 1.7 m stands at f * 1.7 / 200 m, its pelvis in the middle."""
    clip = make_motion_clip([make_image(100, 200)] * 9)
    motion = annotate(clip, weights)
    depth = clip.intrinsics[1, 1] * 1.7 / 200
    np.testing.assert_allclose(motion.joints[:, 0], np.tile([0, 0, depth], (9, 1)), atol=1e-3)
    np.testing.assert_allclose(
        project_points(motion.joints[:, 0], motion.cam_intrinsics), np.tile([160, 120], (9, 1)), atol=0.1
    )
    head, foot = motion.joints[0, 15], motion.joints[0, 10]
    assert head[1] < -0.4 and foot[1] > 0.6, "y points down"
    assert 1.2 < foot[1] - head[1] < 1.7
    np.testing.assert_allclose(motion.betas, np.full(10, 0.5))
    np.testing.assert_array_equal(motion.cam_intrinsics, clip.intrinsics)


def test_rotations_are_those_of_the_network(weights: Path) -> None:
    motion = annotate(make_motion_clip([make_image(100, 200)] * 9), weights)
    np.testing.assert_allclose(np.abs(motion.global_orient), np.tile([np.pi, 0, 0], (9, 1)), atol=1e-4)
    np.testing.assert_allclose(motion.body_pose[:, LEFT - 1], np.tile([0, 0, RAISE * 100 / 255], (9, 1)), atol=1e-4)
    np.testing.assert_allclose(motion.body_pose[:, RIGHT - 1], np.tile([0, 0, -RAISE * 200 / 255], (9, 1)), atol=1e-4)
    own = compute_joints(motion.rest_joints, motion.global_orient, motion.body_pose, motion.transl)
    np.testing.assert_allclose(own, motion.joints, atol=1e-5)
    np.testing.assert_allclose(motion.confidence, np.exp(-UNSURE_MM / 150), atol=1e-4)


def test_the_box_moves_the_person(weights: Path) -> None:
    clip = make_motion_clip([make_image(100, 100)] * 9, box=(200, 20, 320, 220))
    motion = annotate(clip, weights)
    np.testing.assert_allclose(project_points(motion.joints[:, 0], motion.cam_intrinsics)[0], [260, 120], atol=0.1)


def test_rest_joints_are_the_networks_own_body(weights: Path) -> None:
    """Bones rotated back by their parents' rotations give the file's body for any pose."""
    images, boxes = np.stack([make_image(0, 250), make_image(250, 10)]), np.float32([[100, 20, 220, 220]] * 2)
    output = load_model(weights)(images, boxes, make_motion_clip().intrinsics)
    rest = torch.jit.load(str(weights)).rest.numpy()
    np.testing.assert_allclose(output.rest_joints, np.stack([rest, rest]), atol=1e-4)


def test_the_mirrored_frame_gives_the_same_symmetric_body(weights: Path) -> None:
    """Left and right, the camera's centre and the box are mirrored and mirrored back: both outputs agree."""
    clip = make_motion_clip([make_image(40, 220)] * 3, box=(30, 20, 150, 220))
    camera = clip.intrinsics.copy()
    camera[0, 2] = 100
    images, boxes = np.stack([make_image(40, 220)]), np.float32([[30, 20, 150, 220]])
    model = load_model(weights)
    plain, back = model(images, boxes, camera), mirror_back(model(*mirror_view(images, boxes, camera)))
    for name in ("joints", "rest_joints", "transl"):
        np.testing.assert_allclose(getattr(back, name), getattr(plain, name), atol=1e-4, err_msg=name)
    np.testing.assert_allclose(np.abs(back.pose[:, 0]), np.abs(plain.pose[:, 0]), atol=1e-5)
    np.testing.assert_allclose(back.pose[:, 1:], plain.pose[:, 1:], atol=1e-5)
    once, twice = annotate(clip, weights), annotate(clip, weights, flip=True)
    np.testing.assert_allclose(twice.joints, once.joints, atol=1e-3)
    np.testing.assert_allclose(twice.confidence, once.confidence, atol=1e-3)


def test_augmentations_and_batches_reach_the_network(weights: Path) -> None:
    clip = make_motion_clip([make_image(100, 200)] * 9)
    assert annotate(clip, weights, num_aug=3).confidence[0] == pytest.approx(np.exp(-UNSURE_MM / 3 / 150), abs=1e-4)
    one, many = annotate(clip, weights, batch_size=1), annotate(clip, weights, batch_size=64)
    np.testing.assert_array_equal(one.joints, many.joints)


def test_frames_under_different_cameras_go_together(weights: Path) -> None:
    """As when several clips share a batch: each row is the same as alone."""
    network = NlfNetwork(NlfConfig(weights=UserWeights(path=str(weights))))
    network.load("cpu")
    near, far = make_motion_clip().intrinsics, make_motion_clip().intrinsics * [[2], [2], [1]]
    frames, boxes = np.stack([make_image(0, 250), make_image(250, 10)]), np.float32([[100, 20, 220, 220]] * 2)
    both = network.run((frames, boxes, np.stack([near, far])))
    alone = [network.run((frames[i : i + 1], boxes[i : i + 1], camera[None])) for i, camera in enumerate((near, far))]
    for column, first, second in zip(both, *alone, strict=True):
        np.testing.assert_array_equal(column, np.concatenate([first, second]))
    assert both[3][1, 0, 2] == pytest.approx(2 * both[3][0, 0, 2], rel=1e-3)  # twice the focal length, twice as far


def test_frames_without_a_body_or_a_track_are_not_valid(weights: Path) -> None:
    images = [make_image(100, 200)] * 12
    images[5] = np.zeros((240, 320, 3), np.uint8)
    motion = annotate(make_motion_clip(images, track_frames=[0, 1, 2, 3, 4, 5, 6, 7, 8]), weights)
    assert motion.valid.tolist() == [True] * 5 + [False] + [True] * 3 + [False] * 3
    assert (motion.confidence[~motion.valid] == 0).all() and np.isfinite(motion.joints).all()
    lost = annotate(make_motion_clip([np.zeros((240, 320, 3), np.uint8)] * 12), weights)
    assert isinstance(lost, Reject) and lost.reason == "no_person" and "0 of 12" in lost.detail


def test_invalid_weights_are_errors(weights: Path, tmp_path: Path) -> None:
    clip = make_motion_clip([make_image(100, 200)] * 3)
    text = tmp_path / "text.torchscript"
    text.write_text("no model")
    other = tmp_path / "other.torchscript"
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(other))
    old = write_nlf(tmp_path / "old.torchscript", centred=True)
    for path, message in ((text, "no TorchScript"), (other, "no estimate_smpl_batched"), (old, "0.2.2"),
                       (tmp_path / "gone", "gone")):  # fmt: skip
        with pytest.raises(UserError, match=message) as error:
            annotate(clip, path)
        assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="another file"):
        NlfMotion(NlfConfig(weights=UserWeights(path=str(weights), sha256="0" * 64))).load("cpu")
    with pytest.raises(UserError, match="motion.nlf.weights.path is not set"):
        NlfMotion(NlfConfig()).load("cpu")
