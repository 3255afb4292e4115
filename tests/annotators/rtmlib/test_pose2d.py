"""rtmlib's RTMPose, on the networks of the mmpose tests exported to ONNX."""

from pathlib import Path

import numpy as np
import pytest
import torch

from annotators.mmpose.config import MMPoseConfig
from annotators.mmpose.pose2d import MMPosePose2D
from annotators.rtmlib.config import RtmlibConfig
from annotators.rtmlib.pose2d import RtmlibPose2D
from humove.errors import UserError
from humove.motion.skeletons import COCO_17, COCO_WHOLEBODY_133
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
from tests.annotators.rtmlib.export import Heads, write_onnx

pytestmark = [
    pytest.mark.extra("rtmlib", "mmpose"),
    pytest.mark.usefixtures("no_network"),
    pytest.mark.filterwarnings("ignore::FutureWarning:mmpose", "ignore:pkg_resources"),
]

BODY, WHOLE = "rtmpose-t-body-256x192", "rtmpose-t-wholebody-256x192"
PLACES = {0: (1, 2), 1: (4, 5), 2: (2, 6)}
ZOOM = 2.0
CORNERS = [(101.0 + 16 * k, 43.0 + 8 * k) for k in range(5)]


@pytest.fixture(scope="module")
def states() -> dict[str, dict[str, torch.Tensor]]:
    return {model: make_square_finder(model) for model in (BODY, WHOLE)}


@pytest.fixture(scope="module")
def files(states, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("onnx")
    return {model: write_onnx(folder / f"{model}.onnx", Heads(model, state)) for model, state in states.items()}


@pytest.fixture(scope="module")
def clip() -> tuple[ArrayFrames, PersonTrack]:
    frames = ArrayFrames([draw_squares(PLACES, (640, 600), corner, ZOOM) for corner in CORNERS], 30)
    boxes = np.stack([make_box(CORNERS[0], ZOOM), make_box(CORNERS[-1], ZOOM)])
    return frames, PersonTrack(frames=np.array([0, 4]), boxes_xyxy=boxes, scores=np.ones(2, np.float32))


def load_pose2d(path: Path, **settings) -> RtmlibPose2D:
    made = RtmlibPose2D(RtmlibConfig(weights={"path": str(path)}, **settings))
    made.load("cpu")
    return made


@pytest.mark.parametrize(
    ("model", "names", "skeleton"),
    [(BODY, COCO_17, "coco_17"), (WHOLE, COCO_WHOLEBODY_133, "coco_wholebody_133")],
)
def test_every_keypoint_is_found_where_its_square_is(files, clip, model, names, skeleton):
    (pose,) = load_pose2d(files[model], batch_size=2).annotate([clip])
    assert (pose.skeleton, pose.names) == (skeleton, names)
    for row, corner in enumerate(CORNERS):
        assert np.abs(pose.keypoints[row] - compute_expected(PLACES, corner, ZOOM, len(names))).max() < 1e-3
    assert pose.scores == pytest.approx(np.full((5, len(names)), SCORE), abs=1e-4)


def test_keypoints_equal_those_of_mmpose(files, states, clip, tmp_path):
    path = write_checkpoint(tmp_path / "whole.pth", states[WHOLE])
    mmpose = MMPosePose2D(MMPoseConfig(model=WHOLE, weights={"path": str(path)}))
    mmpose.load("cpu")
    (theirs,), (ours,) = mmpose.annotate([clip]), load_pose2d(files[WHOLE]).annotate([clip])
    assert np.abs(theirs.keypoints - ours.keypoints).max() < 1e-3
    assert np.abs(theirs.scores - ours.scores).max() < 1e-4


def test_a_file_for_one_image_gives_the_same(files, states, clip, tmp_path):
    one = write_onnx(tmp_path / "one.onnx", Heads(BODY, states[BODY]), one=True)
    (alone,), (many,) = load_pose2d(one).annotate([clip]), load_pose2d(files[BODY]).annotate([clip])
    assert np.array_equal(alone.keypoints, many.keypoints)
    assert alone.scores == pytest.approx(many.scores, abs=1e-5)


class Two(torch.nn.Module):
    """Two distributions for `points` keypoints, of the given widths."""

    def __init__(self, points: int, wide: int, high: int) -> None:
        super().__init__()
        self.points, self.x, self.y = points, torch.nn.Linear(1, wide), torch.nn.Linear(1, high)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean = images.mean((1, 2, 3))[:, None, None].expand(-1, self.points, 1)
        return self.x(mean), self.y(mean)


def test_invalid_weights_are_one_line_errors(tmp_path):
    text = tmp_path / "text.onnx"
    text.write_text("not a network")
    halpe = write_onnx(tmp_path / "halpe.onnx", Two(26, 384, 512))
    heat = write_onnx(tmp_path / "heat.onnx", Two(17, 48, 64))
    for path, message in (
        (text, "cannot be read as ONNX"),
        (halpe, "gives 26 keypoints; known are 17"),
        (heat, "not an x and a y: name an RTMPose or DWPose"),
        (tmp_path / "none.onnx", "no file"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            load_pose2d(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(UserError, match="pose2d.rtmlib.weights.path is not set"):
        RtmlibPose2D(RtmlibConfig()).load("cpu")


def test_a_missing_gpu_is_an_error(files):
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime can use a GPU")
    made = RtmlibPose2D(RtmlibConfig(weights={"path": str(files[BODY])}))
    with pytest.raises(UserError, match="has no GPU: install onnxruntime-gpu"):
        made.load("cuda")
