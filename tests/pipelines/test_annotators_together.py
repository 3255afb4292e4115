"""From raw video to verified shards on Ray with ultralytics, mmpose and NLF: files of the true formats, known answers.

The YOLO finds one person in the middle of every picture, NLF's stand-in puts a body of known stature into that box, and
the RTMPose, which looks for one red square, has its keypoints where that body's joints are seen. So boxes, keypoints,
metres and the camera must agree with each other, or the body would not lie on the keypoints.
"""

import hashlib
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from humove.body import Body, world_transforms
from humove.rotations import axis_angle_to_matrix
from humove.skeletons import COCO_17, SMPL_JOINTS
from humove.video.encode import EncodeConfig, encode
from humove.video.frames import ArrayFrames
from pipelines.config import configured
from pipelines.jobs.annotate import annotate, chosen_with
from shards.reader import Dataset, open_dataset
from shards.verify import verify
from tests.annotators.mmpose.squares import CELL, SCORE, finding_squares, write_checkpoint
from tests.annotators.nlf.stand_in import HEIGHT_M, LEFT, RAISE, RIGHT, write_nlf
from tests.annotators.ultralytics.tiny import save_fixed
from tests.builds import Quiet, run

pytestmark = pytest.mark.extra("yolo", "mmpose", "nlf")
WIDTH, HEIGHT, FRAMES, FPS = 300, 480, 60, 30
"""40x64 px as the YOLO sees it: of another width the library would round the box by up to half of its pixels."""
REACH = (0.15, 0.25, 0.15, 0.25)
"""Of the box about the picture's middle, in shares of its longer side."""
BOX_HEIGHT = (REACH[1] + REACH[3]) * HEIGHT
TAN = math.tan(math.radians(55.0) / 2)
"""The assumed field of view is over the longer side."""
FOCAL = HEIGHT / 2 / TAN
DEPTH = FOCAL * HEIGHT_M / BOX_HEIGHT
ZOOM = 1.25 * BOX_HEIGHT / 256
"""mmpose widens a box by a quarter and brings it to 192x256."""
CORNER = np.array([WIDTH / 2 - 96 * ZOOM, HEIGHT / 2 - 128 * ZOOM])
SQUARE = (3, 4)
"""The network's cell at the picture's middle."""
JOINT_OF = {"shoulder": "shoulder", "elbow": "elbow", "wrist": "wrist", "hip": "hip", "knee": "knee", "ankle": "ankle"}


def picture_of(seed: int) -> list[np.ndarray]:
    """A drifting grey texture with a red square in the middle."""
    noise = np.random.default_rng(seed).uniform(0, 255, (HEIGHT // 8, WIDTH // 4)).astype(np.float32)
    wall = cv2.normalize(cv2.resize(noise, (2 * WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), None, 50, 110,
                         cv2.NORM_MINMAX)  # fmt: skip
    half = round(0.55 * CELL * ZOOM)
    frames = []
    for index in range(FRAMES):
        rgb = np.repeat(np.roll(wall, 2 * index, axis=1)[:, :WIDTH, None], 3, axis=2).round().astype(np.uint8)
        rgb[HEIGHT // 2 - half : HEIGHT // 2 + half, WIDTH // 2 - half : WIDTH // 2 + half] = (255, 0, 0)
        frames.append(np.ascontiguousarray(rgb))
    return frames


def joints_px(left: float, right: float) -> np.ndarray:
    """(24, 2) px of the source: where NLF's body is seen, its shoulders raised by the light of each half, 0..1."""
    rest = torch.from_numpy(Body.load().rest_joints.astype(np.float64))
    turns = torch.zeros(1, 24, 3, dtype=torch.float64)
    turns[0, 0, 0] = torch.pi
    turns[0, LEFT, 2], turns[0, RIGHT, 2] = RAISE * left, -RAISE * right
    place = torch.tensor([[0.0, 0.0, DEPTH]], dtype=torch.float64) - rest[0]
    _, joints = world_transforms(rest, axis_angle_to_matrix(turns), place)
    seen = joints[0].numpy()
    return seen[:, :2] / seen[:, 2:] * FOCAL + np.array([WIDTH, HEIGHT]) / 2


def wanted_keypoints(light: float) -> np.ndarray:
    """(17, 2) px of the source; the face is at the head's joint."""
    joints = joints_px(light, light)
    rows = []
    for name in COCO_17:
        side, _, part = name.partition("_")
        rows.append(joints[SMPL_JOINTS.index(f"{side}_{part}" if part in JOINT_OF else "head")])
    return np.array(rows)


def pose_state(points: np.ndarray) -> dict[str, torch.Tensor]:
    """An RTMPose that puts each keypoint at its place of the network's input once it sees the red square.

    Every keypoint looks for the square at an offset of its own, so that another cell is lit for each, and the layers
    behind know that cell's place by heart.
    """
    state = finding_squares("rtmpose-t-body-256x192")
    columns, rows = 192 // CELL, 256 // CELL
    looks = state["head.final_layer.weight"]
    for name in ("head.final_layer.weight", "head.cls_x.weight", "head.cls_y.weight"):
        state[name].zero_()
    offsets = [(x, y) for y in range(-3, 4) for x in range(-2, 4)]
    for k, point in enumerate((points - CORNER) / ZOOM):
        x, y = offsets[k]
        looks[k, 0, 3 + y, 3 + x] = 1
        cell = (SQUARE[1] - y) * columns + SQUARE[0] - x
        for axis, value in zip("xy", point, strict=True):
            state[f"head.cls_{axis}.weight"][round(2 * value), cell] = SCORE / (columns * rows) ** 0.5
    return state


@pytest.fixture(scope="module")
def light() -> float:
    """Mean light of the pictures, 0..1."""
    return float(np.mean(picture_of(1)[0])) / 255


@pytest.fixture(scope="module")
def files(light: float, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("weights")
    return {
        "track.ultralytics": save_fixed(folder / "yolo.pt", reach=REACH),
        "pose2d.mmpose": write_checkpoint(folder / "rtmpose.pth", pose_state(wanted_keypoints(light))),
        "motion.nlf": write_nlf(folder / "nlf.torchscript"),
    }


@pytest.fixture(scope="module")
def made(files: dict[str, Path], tmp_path_factory) -> Path:
    """The data set, built on Ray."""
    folder = tmp_path_factory.mktemp("together")
    for seed in (1, 2):
        frames = ArrayFrames(picture_of(seed), FPS)
        target = folder / "videos" / f"person {seed}.mp4"
        target.parent.mkdir(exist_ok=True)
        encode(frames, (0, 0, WIDTH, HEIGHT), WIDTH, HEIGHT, target, EncodeConfig(crf=12))
    choices = [f"{section}.annotator={name}" for section, name in (key.split(".") for key in files)]
    weights = [f"{key}.weights.path={path}" for key, path in files.items()]
    more = ["track.ultralytics.image_size=64", "pose2d.mmpose.model=rtmpose-t-body-256x192", "dedup.near=off",
            "allow=[permissive, agpl, non-commercial]"]  # fmt: skip
    run(folder / "videos", folder / "set", "execution.executor=ray", *choices, *weights, *more)
    return folder / "set"


@pytest.fixture(scope="module")
def dataset(made: Path) -> Dataset:
    return open_dataset(str(made))


def test_both_videos_are_kept_and_the_set_is_sound(made: Path, dataset: Dataset) -> None:
    assert len(dataset) == 2, [(row.uri, row.reason, row.detail) for row in dataset.outcomes()]
    assert verify(str(made)) == []


def test_the_body_stands_where_box_and_camera_say(dataset: Dataset) -> None:
    for sample in dataset.samples():
        motion = sample.motion
        assert motion.valid.all()
        np.testing.assert_allclose(motion.joints[:, 0], [[0, 0, DEPTH]] * len(motion.valid), atol=0.02 * DEPTH)
        np.testing.assert_allclose(np.linalg.norm(motion.global_orient, axis=1), math.pi, atol=1e-3)
        np.testing.assert_allclose(motion.betas, 0.5, atol=1e-5)
        assert sample.meta["cam"]["source"] == "default"


def test_keypoints_are_where_the_network_put_them(dataset: Dataset, light: float) -> None:
    for sample in dataset.samples():
        x0, y0, x1, y1 = sample.meta["crop_xyxy"]
        zoom = np.array([(x1 - x0) / sample.meta["width"], (y1 - y0) / sample.meta["height"]])
        found = sample.pose2d.keypoints * zoom + (x0, y0)
        assert sample.pose2d.names == COCO_17
        # Half a bin of the network's input, and what the codec does to the square's edge.
        assert np.abs(found - wanted_keypoints(light)).max() < 2.0
        np.testing.assert_allclose(sample.pose2d.scores, SCORE, atol=0.05)


def test_the_body_lies_on_the_keypoints(dataset: Dataset) -> None:
    for sample in dataset.samples():
        motion, camera = sample.motion, sample.motion.cam_intrinsics
        seen = motion.joints @ camera.T
        px = seen[..., :2] / seen[..., 2:]
        for side in ("left", "right"):
            for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
                at = px[:, SMPL_JOINTS.index(f"{side}_{part}")]
                found = sample.pose2d.keypoints[:, COCO_17.index(f"{side}_{part}")]
                height = np.ptp(sample.pose2d.keypoints[..., 1], axis=1).mean()
                assert np.linalg.norm(at - found, axis=1).max() < 0.05 * height, part
        assert sample.meta["scores"]["reprojection_pct"] < 2  # it looks at the skin over the joints, 1.1 % off


def test_every_sample_and_the_set_say_whose_models_made_it(dataset: Dataset, files: dict[str, Path]) -> None:
    digests = {f"{key}.weights": hashlib.sha256(path.read_bytes()).hexdigest() for key, path in files.items()}
    said = [dataset.doc.model_dump(mode="json")["annotators"], *(s.meta["annotators"] for s in dataset.samples())]
    for annotators in said:
        weights = {w["name"]: w["sha256"] for row in annotators for w in row["weights"]}
        assert weights == digests
        licences = {row["name"]: row["licence"] for row in annotators}
        assert "AGPL" in licences["tracks.ultralytics"] and "non-commercial" in licences["motion.nlf"]
    assert not any(str(path.parent) in str(dataset.doc.config) for path in files.values())


def test_keypoints_looked_for_in_the_stored_clips_lie_where_they_lay(made: Path, files: dict[str, Path]) -> None:
    """`humove annotate` with a second network: the box is that of the keypoints, a tenth larger."""
    step, chosen = chosen_with("pose2d=mmpose")
    settings = open_dataset(str(made)).doc.model_dump()["config"]
    path = f"pose2d.mmpose.weights.path={files['pose2d.mmpose']}"
    quiet = Quiet()
    doc = annotate(configured(settings, [*chosen, path, "execution.workers=1"]), step, "again", made, quiet)
    assert sum(shard.num_samples for shard in doc.shards) == 2 and quiet.works["annotate"] == len(doc.shards)
    assert verify(str(made), deep=False) == []
