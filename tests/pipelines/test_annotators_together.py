"""From raw video to verified shards on Ray with ultralytics, mmpose and NLF: files of the true formats, known answers.

The YOLO finds one person in the middle of every frame, NLF's stand-in puts a body of known stature into that box, and
the RTMPose, which detects one red square, has its keypoints at that body's projected joints. So boxes, keypoints,
metres and the camera must agree, or the body would not be on the keypoints.
"""

import hashlib
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from humove.motion.body import Body, compute_world_transforms
from humove.motion.rotations import axis_angle_to_matrix
from humove.motion.skeletons import COCO_17, SMPL_JOINTS
from humove.video.encode import EncodeConfig, encode_clip
from humove.video.frames import ArrayFrames
from pipelines.config import make_config
from pipelines.jobs.annotate import annotate, parse_annotator_choice
from shards.reader import Dataset, open_dataset
from shards.verify import verify
from tests.annotators.mmpose.squares import CELL, SCORE, make_square_finder, write_checkpoint
from tests.annotators.nlf.stand_in import HEIGHT_M, LEFT, RAISE, RIGHT, write_nlf
from tests.annotators.ultralytics.tiny import save_fixed
from tests.builds import CountingReporter, run_build

pytestmark = pytest.mark.extra("yolo", "mmpose", "nlf")
WIDTH, HEIGHT, FRAMES, FPS = 300, 480, 60, 30
"""40x64 px as the YOLO sees it: of another width the library would round the box by up to half of its pixels."""
REACH = (0.15, 0.25, 0.15, 0.25)
"""Of the box about the frame's middle, in shares of its longer side."""
BOX_HEIGHT = (REACH[1] + REACH[3]) * HEIGHT
TAN = math.tan(math.radians(55.0) / 2)
"""The assumed field of view is over the longer side."""
FOCAL = HEIGHT / 2 / TAN
DEPTH = FOCAL * HEIGHT_M / BOX_HEIGHT
ZOOM = 1.25 * BOX_HEIGHT / 256
"""mmpose widens a box by a quarter and brings it to 192x256."""
CORNER = np.array([WIDTH / 2 - 96 * ZOOM, HEIGHT / 2 - 128 * ZOOM])
SQUARE = (3, 4)
"""The network's cell at the frame's middle."""
JOINT_OF = {"shoulder": "shoulder", "elbow": "elbow", "wrist": "wrist", "hip": "hip", "knee": "knee", "ankle": "ankle"}


def make_frames(seed: int) -> list[np.ndarray]:
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


def project_joints(left: float, right: float) -> np.ndarray:
    """(24, 2) px of the source: NLF's body projected, with shoulders raised by the light of each half, 0..1."""
    rest = torch.from_numpy(Body.load().rest_joints.astype(np.float64))
    turns = torch.zeros(1, 24, 3, dtype=torch.float64)
    turns[0, 0, 0] = torch.pi
    turns[0, LEFT, 2], turns[0, RIGHT, 2] = RAISE * left, -RAISE * right
    place = torch.tensor([[0.0, 0.0, DEPTH]], dtype=torch.float64) - rest[0]
    _, joints = compute_world_transforms(rest, axis_angle_to_matrix(turns), place)
    projected = joints[0].numpy()
    return projected[:, :2] / projected[:, 2:] * FOCAL + np.array([WIDTH, HEIGHT]) / 2


def make_expected_keypoints(light: float) -> np.ndarray:
    """(17, 2) px of the source; the face is at the head's joint."""
    joints = project_joints(light, light)
    rows = []
    for name in COCO_17:
        side, _, part = name.partition("_")
        rows.append(joints[SMPL_JOINTS.index(f"{side}_{part}" if part in JOINT_OF else "head")])
    return np.array(rows)


def make_pose_weights(points: np.ndarray) -> dict[str, torch.Tensor]:
    """An RTMPose that puts each keypoint at its place in the network's input if it detects the red square.

    Each keypoint's filter has another offset from the square, so that another cell is active for each, and the layers
    behind map that cell to the keypoint's place.
    """
    state = make_square_finder("rtmpose-t-body-256x192")
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
    """Mean light of the frames, 0..1."""
    return float(np.mean(make_frames(1)[0])) / 255


@pytest.fixture(scope="module")
def files(light: float, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("weights")
    return {
        "track.ultralytics": save_fixed(folder / "yolo.pt", reach=REACH),
        "pose2d.mmpose": write_checkpoint(folder / "rtmpose.pth", make_pose_weights(make_expected_keypoints(light))),
        "motion.nlf": write_nlf(folder / "nlf.torchscript"),
    }


@pytest.fixture(scope="module")
def made(files: dict[str, Path], tmp_path_factory) -> Path:
    """The data set, built on Ray."""
    folder = tmp_path_factory.mktemp("together")
    for seed in (1, 2):
        frames = ArrayFrames(make_frames(seed), FPS)
        target = folder / "videos" / f"person {seed}.mp4"
        target.parent.mkdir(exist_ok=True)
        encode_clip(frames, (0, 0, WIDTH, HEIGHT), WIDTH, HEIGHT, target, EncodeConfig(crf=12))
    choices = [f"{section}.annotator={name}" for section, name in (key.split(".") for key in files)]
    weights = [f"{key}.weights.path={path}" for key, path in files.items()]
    more = ["track.ultralytics.image_size=64", "pose2d.mmpose.model=rtmpose-t-body-256x192", "dedup.near=off",
            "allow=[permissive, agpl, non-commercial]"]  # fmt: skip
    run_build(folder / "videos", folder / "set", "execution.executor=ray", *choices, *weights, *more)
    return folder / "set"


@pytest.fixture(scope="module")
def dataset(made: Path) -> Dataset:
    return open_dataset(str(made))


def test_both_videos_are_kept_and_the_set_is_sound(made: Path, dataset: Dataset) -> None:
    assert len(dataset) == 2, [(row.uri, row.reason, row.detail) for row in dataset.iterate_outcomes()]
    assert verify(str(made)) == []


def test_the_body_agrees_with_box_and_camera(dataset: Dataset) -> None:
    for sample in dataset.iterate_samples():
        motion = sample.motion
        assert motion.valid.all()
        np.testing.assert_allclose(motion.joints[:, 0], [[0, 0, DEPTH]] * len(motion.valid), atol=0.02 * DEPTH)
        np.testing.assert_allclose(np.linalg.norm(motion.global_orient, axis=1), math.pi, atol=1e-3)
        np.testing.assert_allclose(motion.betas, 0.5, atol=1e-5)
        assert sample.meta["cam"]["source"] == "default"


def test_keypoints_are_where_the_network_put_them(dataset: Dataset, light: float) -> None:
    for sample in dataset.iterate_samples():
        x0, y0, x1, y1 = sample.meta["crop_xyxy"]
        zoom = np.array([(x1 - x0) / sample.meta["width"], (y1 - y0) / sample.meta["height"]])
        found = sample.pose2d.keypoints * zoom + (x0, y0)
        assert sample.pose2d.names == COCO_17
        # Half a bin of the network's input, and the codec's error at the square's edge.
        assert np.abs(found - make_expected_keypoints(light)).max() < 2.0
        np.testing.assert_allclose(sample.pose2d.scores, SCORE, atol=0.05)


def test_the_body_lies_on_the_keypoints(dataset: Dataset) -> None:
    for sample in dataset.iterate_samples():
        motion, camera = sample.motion, sample.motion.cam_intrinsics
        projected = motion.joints @ camera.T
        px = projected[..., :2] / projected[..., 2:]
        for side in ("left", "right"):
            for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
                at = px[:, SMPL_JOINTS.index(f"{side}_{part}")]
                found = sample.pose2d.keypoints[:, COCO_17.index(f"{side}_{part}")]
                height = np.ptp(sample.pose2d.keypoints[..., 1], axis=1).mean()
                assert np.linalg.norm(at - found, axis=1).max() < 0.05 * height, part
        assert sample.meta["scores"]["reprojection_pct"] < 2  # it uses the skin over the joints, 1.1 % off


def test_every_sample_and_the_set_name_their_models(dataset: Dataset, files: dict[str, Path]) -> None:
    digests = {f"{key}.weights": hashlib.sha256(path.read_bytes()).hexdigest() for key, path in files.items()}
    documents = [
        dataset.doc.model_dump(mode="json")["annotators"],
        *(s.meta["annotators"] for s in dataset.iterate_samples()),
    ]
    for annotators in documents:
        weights = {w["name"]: w["sha256"] for row in annotators for w in row["weights"]}
        assert weights == digests
        licences = {row["name"]: row["licence"] for row in annotators}
        assert "AGPL" in licences["tracks.ultralytics"] and "non-commercial" in licences["motion.nlf"]
    assert not any(str(path.parent) in str(dataset.doc.config) for path in files.values())


def test_stored_clips_are_annotated_by_a_second_network(made: Path, files: dict[str, Path]) -> None:
    """`humove annotate` with a second network: the box is that of the keypoints, a tenth larger."""
    step, chosen = parse_annotator_choice("pose2d=mmpose")
    settings = open_dataset(str(made)).doc.model_dump()["config"]
    path = f"pose2d.mmpose.weights.path={files['pose2d.mmpose']}"
    quiet = CountingReporter()
    doc = annotate(make_config(settings, [*chosen, path, "execution.workers=1"]), step, "again", made, quiet)
    assert sum(shard.num_samples for shard in doc.shards) == 2 and quiet.works["annotate"] == len(doc.shards)
    assert verify(str(made), deep=False) == []
