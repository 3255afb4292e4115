"""mmpose's own network, read from a checkpoint of the real format, on images with known keypoints."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from annotators.mmpose.checkpoint import read_tensors
from annotators.mmpose.config import MMPoseConfig
from annotators.mmpose.imports import make_mmpose_importable
from annotators.mmpose.networks import get_network_spec
from annotators.mmpose.pose2d import MMPosePose2D
from humove.errors import UserError
from humove.motion.skeletons import COCO_17, COCO_WHOLEBODY_133
from humove.stage import Reject
from humove.types import PersonTrack
from humove.video.frames import ArrayFrames
from tests.annotators.mmpose.squares import (
    SCORE,
    compute_expected,
    draw_squares,
    make_box,
    make_square_finder,
    write_checkpoint,
)

pytestmark = [
    pytest.mark.extra("mmpose"),
    pytest.mark.usefixtures("no_network"),
    pytest.mark.filterwarnings(
        "ignore::FutureWarning:mmpose", "ignore:The metainfo config file", "ignore:pkg_resources"
    ),
]

BODY, WHOLE = "rtmpose-t-body-256x192", "rtmpose-t-wholebody-256x192"
SIZE = (640, 600)
PLACES = {0: (1, 2), 1: (4, 5), 2: (2, 6)}
CORNER, ZOOM = (101.0, 43.0), 2.0


@pytest.fixture(scope="module")
def states() -> dict[str, dict[str, torch.Tensor]]:
    return {model: make_square_finder(model) for model in (BODY, WHOLE)}


@pytest.fixture(scope="module")
def files(states, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("weights")
    return {model: write_checkpoint(folder / f"{model}.pth", state) for model, state in states.items()}


def load_pose2d(path: Path, model: str = BODY, **settings) -> MMPosePose2D:
    made = MMPosePose2D(MMPoseConfig(model=model, weights={"path": str(path)}, **settings))
    made.load("cpu")
    return made


def make_still_clip(count: int, places=PLACES, zoom: float = ZOOM) -> tuple[ArrayFrames, PersonTrack]:
    """Make a clip of the same frame `count` times, and a track with its box on the first and the last frame."""
    frames = ArrayFrames([draw_squares(places, SIZE, CORNER, zoom)] * count, 30)
    return frames, make_track([0, count - 1], [make_box(CORNER, zoom)] * 2)


def make_track(frames: list[int], boxes: list[np.ndarray]) -> PersonTrack:
    return PersonTrack(frames=np.array(frames), boxes_xyxy=np.stack(boxes), scores=np.ones(len(frames), np.float32))


@pytest.mark.parametrize(
    ("model", "names", "skeleton"),
    [(BODY, COCO_17, "coco_17"), (WHOLE, COCO_WHOLEBODY_133, "coco_wholebody_133")],
)
def test_every_keypoint_is_found_where_its_square_is(files, model, names, skeleton):
    (pose,) = load_pose2d(files[model], model).annotate([make_still_clip(2)])
    assert (pose.skeleton, pose.names) == (skeleton, names)
    want = compute_expected(PLACES, CORNER, ZOOM, len(names))
    assert np.abs(pose.keypoints - want).max() < 1e-3
    assert pose.scores == pytest.approx(np.full((2, len(names)), SCORE), abs=1e-4)
    red, green = pose.keypoints[0, 0], pose.keypoints[0, 1]  # nose: red, left eye: green
    assert tuple(red) == pytest.approx((101 + 64 * 2, 43 + 64 * 2), abs=1e-3)
    assert tuple(green) == pytest.approx((101 + 64 * 5, 43 + 64 * 5), abs=1e-3)


def test_each_frame_uses_its_box_and_batches_change_nothing(files):
    corners = [(101.0 + 16 * k, 43.0 + 8 * k) for k in range(5)]
    frames = ArrayFrames([draw_squares(PLACES, SIZE, corner, ZOOM) for corner in corners], 30)
    track = make_track([0, 4], [make_box(corners[0], ZOOM), make_box(corners[4], ZOOM)])  # straight in between
    (one,) = load_pose2d(files[BODY], batch_size=1).annotate([(frames, track)])
    (many,) = load_pose2d(files[BODY], batch_size=4).annotate([(frames, track)])
    for row, corner in enumerate(corners):
        assert np.abs(many.keypoints[row] - compute_expected(PLACES, corner, ZOOM, 17)).max() < 1e-3
    assert np.array_equal(one.keypoints, many.keypoints)
    assert one.scores == pytest.approx(many.scores, abs=1e-5)


def test_keypoints_equal_those_of_mmposes_own_runner(files, states):
    import mmpose
    from mmengine.config import Config

    with make_mmpose_importable():
        from mmpose.apis import inference_topdown, init_model

        config = Config.fromfile(Path(mmpose.__file__).parent / ".mim/configs" / get_network_spec(WHOLE).config)
        del config.model.backbone["_scope_"]
        model = init_model(config, None, device="cpu")
    model.load_state_dict(states[WHOLE])
    frames, track = make_still_clip(1, zoom=1.7)
    own = inference_topdown(model, frames.read_rgb(0)[:, :, ::-1], track.boxes_xyxy[:1] - 0.5)[0].pred_instances
    (pose,) = load_pose2d(files[WHOLE], WHOLE, flip=True).annotate(
        [(frames, track)]
    )  # as mmpose's configuration has it
    assert pose.keypoints[0] == pytest.approx(own.keypoints[0] + 0.5, abs=1e-3)
    assert pose.scores[0] == pytest.approx(own.keypoint_scores[0], abs=1e-5)


def test_flip_averages_with_the_mirrored_frame(files):
    # The nose's square lies in column 3, on either side of the mirror; the network finds it a cell further right. So
    # the plain frame gives 4 * 32 px, the mirrored one 192 - 4 * 32 - 0.5, and each peak has half the height.
    places = {**PLACES, 0: (3, 2)}
    (straight,) = load_pose2d(files[BODY]).annotate([make_still_clip(1, places)])
    (both,) = load_pose2d(files[BODY], flip=True).annotate([make_still_clip(1, places)])
    assert straight.keypoints[0, 0] == pytest.approx((101 + 2 * 128, 43 + 2 * 64), abs=1e-3)
    assert straight.scores[0, 0] == pytest.approx(SCORE, abs=1e-3)
    assert both.keypoints[0, 0] == pytest.approx((101 + 2 * 63.5, 43 + 2 * 64), abs=1e-3)
    assert both.scores[0, 0] == pytest.approx(SCORE / 2, abs=1e-3)


def test_a_file_of_the_legacy_format_reads_the_same(states, tmp_path):
    old = write_checkpoint(tmp_path / "old.pth", states[BODY], legacy=True)
    (pose,) = load_pose2d(old).annotate([make_still_clip(1)])
    assert np.abs(pose.keypoints - compute_expected(PLACES, CORNER, ZOOM, 17)).max() < 1e-3


def test_a_clip_without_keypoints_is_rejected(files):
    frames = ArrayFrames(np.zeros((2, 600, 640, 3), np.uint8), 30)
    (verdict,) = load_pose2d(files[BODY]).annotate([(frames, make_track([0], [make_box(CORNER, ZOOM)]))])
    assert isinstance(verdict, Reject) and verdict.reason == "no_person"


class Hostile:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_checkpoint_runs_no_code(states, tmp_path, legacy):
    trap = tmp_path / "sprung"
    path = write_checkpoint(tmp_path / "bad.pth", states[BODY], legacy=legacy, optimizer=Hostile(trap))
    tensors = read_tensors(path, "pose2d.mmpose.weights")
    assert not trap.exists()
    assert tensors.keys() == states[BODY].keys()
    assert all(torch.equal(tensors[name], value) for name, value in states[BODY].items())


def test_weights_of_another_network_name_the_model_to_set(files):
    with pytest.raises(UserError, match="is rtmpose-t-body-256x192.*set pose2d.mmpose.model=rtmpose-t-body-256x192"):
        load_pose2d(files[BODY], WHOLE)
    with pytest.raises(UserError, match="is rtmpose-t-wholebody-256x192, but pose2d.mmpose.model is rtmpose-m-body"):
        load_pose2d(files[WHOLE], "rtmpose-m-body-256x192")


def test_another_number_of_keypoints_is_an_error(states, tmp_path):
    state = dict(states[BODY])
    state["head.final_layer.weight"] = torch.zeros(26, 384, 7, 7)
    path = write_checkpoint(tmp_path / "halpe.pth", state)
    with pytest.raises(UserError, match="a network with 26 keypoints, 256x192.*choose other weights"):
        load_pose2d(path)


def test_invalid_files_are_one_line_errors(states, tmp_path):
    text = tmp_path / "text.pth"
    text.write_text("not a checkpoint")
    cut = tmp_path / "cut.pth"
    cut.write_bytes(write_checkpoint(tmp_path / "whole.pth", states[BODY]).read_bytes()[:20000])
    empty = write_checkpoint(tmp_path / "empty.pth", {})
    other = write_checkpoint(tmp_path / "other.pth", {"conv.weight": torch.zeros(2)})
    lacking = {name: value for name, value in states[BODY].items() if name != "backbone.stage1.0.conv.weight"}
    less = write_checkpoint(tmp_path / "less.pth", lacking)
    for path, message in (
        (text, "is no torch checkpoint"),
        (cut, "is no torch checkpoint"),
        (empty, "holds no state_dict"),
        (other, "is no RTMPose or DWPose"),
        (less, "lacks 1 of the network's tensors, among them backbone.stage1.0.conv.weight"),
        (tmp_path / "none.pth", "no file"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            load_pose2d(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(UserError, match="pose2d.mmpose.weights.path is not set"):
        MMPosePose2D(MMPoseConfig()).load("cpu")


def test_every_model_has_its_configuration_in_mmpose():
    from typing import get_args

    import mmpose

    from annotators.mmpose.config import Model

    folder = Path(mmpose.__file__).parent / ".mim/configs"
    for model in get_args(Model):
        assert (folder / get_network_spec(model).config).is_file(), model


def test_nothing_is_written_to_the_users_home(files, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    code = (
        "import sys\n"
        "from annotators.mmpose.config import MMPoseConfig\n"
        "from annotators.mmpose.pose2d import MMPosePose2D\n"
        "MMPosePose2D(MMPoseConfig(model=sys.argv[1], weights={'path': sys.argv[2]})).load('cpu')\n"
        "left = [m for m in sys.modules if m.partition('.')[0] == 'mmdet' or m == 'mmcv.ops']\n"
        "assert not left, left\n"
    )
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", code, BODY, str(files[BODY])], env=env, check=True, timeout=120)
    assert list(home.rglob("*")) == []
