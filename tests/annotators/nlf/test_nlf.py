"""NLF through torch.jit.load: boxes, camera, units, frames, mirror, lost frames, and files that are none."""

from pathlib import Path

import numpy as np
import pytest
import torch

from annotators.motion_smoothing.config import SmoothingConfig
from annotators.nlf.annotator import NlfMotion
from annotators.nlf.config import NlfConfig
from annotators.nlf.mirror import mirrored_back, mirrored_view
from annotators.nlf.model import NlfModel
from annotators.nlf.network import NlfNetwork
from annotators.user_weights import UserWeights
from humove.body import joints_of_pose
from humove.camera import project
from humove.errors import UserError
from humove.stage import Reject
from humove.types import SmplMotion
from tests.annotators.motion_clips import motion_clip
from tests.annotators.nlf.stand_in import LEFT, RAISE, RIGHT, UNSURE_MM, write_nlf

pytestmark = pytest.mark.extra("nlf")
STILL = SmoothingConfig(width_s=0)


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return write_nlf(tmp_path_factory.mktemp("nlf") / "nlf_l_multi.torchscript")


def lit(left: int, right: int) -> np.ndarray:
    image = np.full((240, 320, 3), left, np.uint8)
    image[:, 160:] = right
    return image


def annotated(clip, weights: Path, **settings) -> SmplMotion | Reject:
    config = NlfConfig(weights=UserWeights(path=str(weights)), **{"smoothing": STILL, "batch_size": 4, **settings})
    annotator = NlfMotion(config)
    annotator.load("cpu")
    (motion,) = annotator.annotate([clip])
    return motion


def model_of(weights: Path) -> NlfModel:
    network = NlfNetwork(NlfConfig(weights=UserWeights(path=str(weights))))
    network.load("cpu")
    return NlfModel(network)


def test_metres_in_the_camera_that_was_given(weights: Path, no_network) -> None:
    """The box is 120 x 200 px about (160, 120): a body of 1.7 m stands at f * 1.7 / 200 m, its pelvis in the middle."""
    clip = motion_clip([lit(100, 200)] * 9)
    motion = annotated(clip, weights)
    depth = clip.intrinsics[1, 1] * 1.7 / 200
    np.testing.assert_allclose(motion.joints[:, 0], np.tile([0, 0, depth], (9, 1)), atol=1e-3)
    np.testing.assert_allclose(
        project(motion.joints[:, 0], motion.cam_intrinsics), np.tile([160, 120], (9, 1)), atol=0.1
    )
    head, foot = motion.joints[0, 15], motion.joints[0, 10]
    assert head[1] < -0.4 and foot[1] > 0.6, "y points down"
    assert 1.2 < foot[1] - head[1] < 1.7
    np.testing.assert_allclose(motion.betas, np.full(10, 0.5))
    np.testing.assert_array_equal(motion.cam_intrinsics, clip.intrinsics)


def test_rotations_are_those_of_the_network(weights: Path) -> None:
    motion = annotated(motion_clip([lit(100, 200)] * 9), weights)
    np.testing.assert_allclose(np.abs(motion.global_orient), np.tile([np.pi, 0, 0], (9, 1)), atol=1e-4)
    np.testing.assert_allclose(motion.body_pose[:, LEFT - 1], np.tile([0, 0, RAISE * 100 / 255], (9, 1)), atol=1e-4)
    np.testing.assert_allclose(motion.body_pose[:, RIGHT - 1], np.tile([0, 0, -RAISE * 200 / 255], (9, 1)), atol=1e-4)
    own = joints_of_pose(motion.rest_joints, motion.global_orient, motion.body_pose, motion.transl)
    np.testing.assert_allclose(own, motion.joints, atol=1e-5)
    np.testing.assert_allclose(motion.confidence, np.exp(-UNSURE_MM / 150), atol=1e-4)


def test_the_box_moves_the_person(weights: Path) -> None:
    clip = motion_clip([lit(100, 100)] * 9, box=(200, 20, 320, 220))
    motion = annotated(clip, weights)
    np.testing.assert_allclose(project(motion.joints[:, 0], motion.cam_intrinsics)[0], [260, 120], atol=0.1)


def test_rest_joints_are_the_networks_own_body(weights: Path) -> None:
    """Bones turned back by their parents' rotations: the body that the file holds, whatever its pose."""
    seen = model_of(weights)(np.stack([lit(0, 250), lit(250, 10)]), np.float32([[100, 20, 220, 220]] * 2),
                             motion_clip().intrinsics)  # fmt: skip
    rest = torch.jit.load(str(weights)).rest.numpy()
    np.testing.assert_allclose(seen.rest_joints, np.stack([rest, rest]), atol=1e-4)


def test_the_mirror_agrees_with_a_body_that_is_its_own(weights: Path) -> None:
    """Left and right, the camera's centre and the box go around and come back: both looks say the same."""
    clip = motion_clip([lit(40, 220)] * 3, box=(30, 20, 150, 220))
    camera = clip.intrinsics.copy()
    camera[0, 2] = 100
    images, boxes = np.stack([lit(40, 220)]), np.float32([[30, 20, 150, 220]])
    model = model_of(weights)
    plain, back = model(images, boxes, camera), mirrored_back(model(*mirrored_view(images, boxes, camera)))
    for name in ("joints", "rest_joints", "transl"):
        np.testing.assert_allclose(getattr(back, name), getattr(plain, name), atol=1e-4, err_msg=name)
    np.testing.assert_allclose(np.abs(back.pose[:, 0]), np.abs(plain.pose[:, 0]), atol=1e-5)
    np.testing.assert_allclose(back.pose[:, 1:], plain.pose[:, 1:], atol=1e-5)
    once, twice = annotated(clip, weights), annotated(clip, weights, flip=True)
    np.testing.assert_allclose(twice.joints, once.joints, atol=1e-3)
    np.testing.assert_allclose(twice.confidence, once.confidence, atol=1e-3)


def test_augmentations_and_batches_reach_the_network(weights: Path) -> None:
    clip = motion_clip([lit(100, 200)] * 9)
    assert annotated(clip, weights, num_aug=3).confidence[0] == pytest.approx(np.exp(-UNSURE_MM / 3 / 150), abs=1e-4)
    one, many = annotated(clip, weights, batch_size=1), annotated(clip, weights, batch_size=64)
    np.testing.assert_array_equal(one.joints, many.joints)


def test_frames_under_different_cameras_go_together(weights: Path) -> None:
    """As they do where several clips share a batch: each row is the same alone."""
    network = NlfNetwork(NlfConfig(weights=UserWeights(path=str(weights))))
    network.load("cpu")
    near, far = motion_clip().intrinsics, motion_clip().intrinsics * [[2], [2], [1]]
    frames, boxes = np.stack([lit(0, 250), lit(250, 10)]), np.float32([[100, 20, 220, 220]] * 2)
    both = network.run((frames, boxes, np.stack([near, far])))
    alone = [network.run((frames[i : i + 1], boxes[i : i + 1], camera[None])) for i, camera in enumerate((near, far))]
    for column, first, second in zip(both, *alone, strict=True):
        np.testing.assert_array_equal(column, np.concatenate([first, second]))
    assert both[3][1, 0, 2] == pytest.approx(2 * both[3][0, 0, 2], rel=1e-3)  # twice the focal length, twice as far


def test_frames_without_a_body_or_a_track_are_not_valid(weights: Path) -> None:
    images = [lit(100, 200)] * 12
    images[5] = np.zeros((240, 320, 3), np.uint8)
    motion = annotated(motion_clip(images, track_frames=[0, 1, 2, 3, 4, 5, 6, 7, 8]), weights)
    assert motion.valid.tolist() == [True] * 5 + [False] + [True] * 3 + [False] * 3
    assert (motion.confidence[~motion.valid] == 0).all() and np.isfinite(motion.joints).all()
    lost = annotated(motion_clip([np.zeros((240, 320, 3), np.uint8)] * 12), weights)
    assert isinstance(lost, Reject) and lost.reason == "no_person" and "0 of 12" in lost.detail


def test_files_that_are_none(weights: Path, tmp_path: Path) -> None:
    clip = motion_clip([lit(100, 200)] * 3)
    text = tmp_path / "text.torchscript"
    text.write_text("no model")
    other = tmp_path / "other.torchscript"
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(other))
    old = write_nlf(tmp_path / "old.torchscript", centred=True)
    for path, said in ((text, "no TorchScript"), (other, "no estimate_smpl_batched"), (old, "0.2.2"),
                       (tmp_path / "gone", "gone")):  # fmt: skip
        with pytest.raises(UserError, match=said) as error:
            annotated(clip, path)
        assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="another file"):
        NlfMotion(NlfConfig(weights=UserWeights(path=str(weights), sha256="0" * 64))).load("cpu")
    with pytest.raises(UserError, match="motion.nlf.weights.path is not set"):
        NlfMotion(NlfConfig()).load("cpu")
