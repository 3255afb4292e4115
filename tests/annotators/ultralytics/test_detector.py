"""YOLO files of the library's own format: what they find, and which of them can't be used."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from annotators.ultralytics.config import UltralyticsConfig
from annotators.ultralytics.detector import YoloDetector
from annotators.ultralytics.library import import_ultralytics
from annotators.ultralytics.network import YoloNetwork
from humove.errors import UserError
from tests.annotators.ultralytics.tiny import LARGE, SMALL, draw_dot, make_box, save_dots, save_fixed

ROOT = Path(__file__).resolve().parents[3]
pytestmark = [
    pytest.mark.usefixtures("no_network"),
    pytest.mark.extra("yolo"),
]


def load_detector(path: Path, **settings) -> YoloDetector:
    network = YoloNetwork(UltralyticsConfig(weights={"path": str(path)}, **settings))
    network.load("cpu")
    return YoloDetector(network)


@pytest.mark.parametrize("task", ["detect", "pose", "segment"])
def test_boxes_scores_and_legs_of_each_kind_of_model(tmp_path: Path, task: str):
    detector = load_detector(save_dots(tmp_path / "dots.pt", task), image_size=320)
    frame = np.zeros((192, 320, 3), np.uint8)
    draw_dot(frame, 10, 10, 0)
    draw_dot(frame, 25, 12, 1, share=0.9)
    draw_dot(frame, 30, 4, 2)  # a dog, not a person
    doubled = frame.repeat(2, axis=0).repeat(2, axis=1)
    for frames, scale in (([frame, frame * 0], 1), ([doubled], 2)):
        first, *rest = detector.detect(frames)
        expected = np.array([make_box(10, 10, LARGE), make_box(25, 12, SMALL)]) * scale
        np.testing.assert_allclose(first.boxes_xyxy, expected, atol=0.01)
        np.testing.assert_allclose(first.scores, 1 / (1 + np.exp([-5.0, -4.0])), atol=0.005)
        assert (first.legs is None) == (task != "pose")
        assert all(len(other.scores) == 0 and other.boxes_xyxy.shape == (0, 4) for other in rest)


def test_legs_outside_the_frame_are_invisible(tmp_path: Path):
    detector = load_detector(save_dots(tmp_path / "dots.pt", "pose"), image_size=320)
    frame = np.zeros((192, 320, 3), np.uint8)
    draw_dot(frame, 10, 10, 0)
    (inside,) = detector.detect([frame])
    np.testing.assert_allclose(inside.legs, [(0.8 + 0.6 + 0.4 + 0.2) / 4], atol=1e-3)
    # Cut off in the middle of the cell, where the points are; the grey that the library adds below is found, too.
    (edge,) = detector.detect([frame[:84]])
    assert len(edge.legs) and not edge.legs.any()


def test_red_is_red(tmp_path: Path):
    detector = load_detector(save_dots(tmp_path / "dots.pt"), image_size=320)
    frame = np.zeros((192, 320, 3), np.uint8)
    frame[80:88, 80:88, 0] = 255
    assert np.ptp(detector.detect([frame])[0].boxes_xyxy[0, ::2]) == 2 * LARGE * 8


def test_the_fixed_model_finds_one_person_anywhere(tmp_path: Path):
    detector = load_detector(save_fixed(tmp_path / "fixed.pt"), image_size=64)
    (detections,) = detector.detect([np.full((480, 854, 3), 90, np.uint8)])
    longer = 854
    expected = [[427 - 0.15 * longer, 240 - 0.25 * longer, 427 + 0.15 * longer, 240 + 0.25 * longer]]
    np.testing.assert_allclose(detections.boxes_xyxy, expected, atol=0.2)


@pytest.mark.parametrize("recipe", ["yolov8n-pose.yaml", "yolo11n.yaml", "yolo26n-seg.yaml"])
def test_the_published_networks_load_and_run(tmp_path: Path, recipe: str):
    torch.manual_seed(0)
    model = import_ultralytics().YOLO(recipe)
    model.model.names = {0: "person", **{k: f"thing{k}" for k in range(1, model.model.model[-1].nc)}}
    model.save(str(tmp_path / "n.pt"))
    detector = load_detector(tmp_path / "n.pt", image_size=64)
    (detections,) = detector.detect([np.zeros((48, 64, 3), np.uint8)])
    assert detections.boxes_xyxy.shape == (len(detections.scores), 4)


def write_torchscript(path: Path) -> None:
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(path))


class Hostile:
    """Makes a file when it is unpickled as pickle does it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return open, (str(self.path), "w")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: path.write_text("no model"), "is no .pt of ultralytics"),
        (lambda path: path.write_bytes(b""), "is no .pt of ultralytics"),
        (lambda path: path.write_bytes(save_dots(path).read_bytes()[:70_000]), "is no .pt of ultralytics"),
        (lambda path: torch.save({"state_dict": {"a": torch.zeros(3)}}, path), "is no .pt of ultralytics"),
        (lambda path: torch.save(torch.zeros(3), path), "is no .pt of ultralytics"),
        (lambda path: torch.save({"model": torch.nn.Linear(2, 2)}, path), "is no .pt of ultralytics"),
        (write_torchscript, "is no .pt of ultralytics"),
        (
            lambda path: import_ultralytics().YOLO("yolo11n-cls.yaml").save(str(path)),
            "is a classify model; one of these",
        ),
        (lambda path: save_dots(path, names={0: "cat", 1: "dog"}), "no class 'person' among its 2: cat, dog"),
        (lambda path: save_dots(path, names={0: "person"}), "names 1 classes and has 2"),
        (lambda path: save_dots(path, "pose", points=5), "keypoints of 5 x 3; a pose model needs COCO's"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, write, message: str):
    path = tmp_path / "given.pt"
    write(path)
    with pytest.raises(UserError) as caught:
        load_detector(path)
    line = str(caught.value)
    assert line.startswith(f"track.ultralytics.weights: {path} ") and message in line and "\n" not in line


def test_a_file_runs_no_code(tmp_path: Path):
    torch.save({"model": Hostile(tmp_path / "ran"), "train_args": {}}, tmp_path / "given.pt")
    with pytest.raises(UserError, match="types outside the supported"):
        load_detector(tmp_path / "given.pt")
    assert not (tmp_path / "ran").exists()


def test_half_precision_is_for_gpus(tmp_path: Path):
    (tmp_path / "any.pt").touch()
    with pytest.raises(UserError, match=r"track\.ultralytics\.half needs a GPU"):
        load_detector(tmp_path / "any.pt", half=True)


ALONE = """
import socket, sys
def refuse(*_, **__):
    print("ASKED FOR THE NETWORK")
    raise OSError("blocked")
socket.socket.connect = socket.getaddrinfo = refuse
import numpy as np
from annotators.ultralytics.config import UltralyticsConfig
from annotators.ultralytics.tracks import UltralyticsTracks
from humove.video.frames import ArrayFrames
tracks = UltralyticsTracks(UltralyticsConfig(weights={"path": sys.argv[1]}, image_size=64, tracker="botsort"))
tracks.load("cpu")
(person,) = tracks.annotate([ArrayFrames(np.zeros((3, 36, 64, 3), np.uint8), 10)])
print("frames", len(person.track.frames))
"""


def run_alone(code: str, home: Path, *given: str) -> subprocess.CompletedProcess:
    """Without pytest, which the library looks for and then keeps still."""
    env = {"HOME": str(home), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", code, *given], cwd=home, env=env, capture_output=True, text=True, check=False
    )


def test_the_library_uses_neither_network_nor_home(tmp_path: Path):
    home = tmp_path / "home"
    home.mkdir()
    done = run_alone(ALONE, home, str(save_fixed(tmp_path / "fixed.pt")))
    assert (done.returncode, done.stdout) == (0, "frames 3\n"), done.stdout + done.stderr
    assert list(home.rglob("*")) == []


def test_without_its_extra(tmp_path: Path):
    done = run_alone(
        f"import sys\nsys.modules['lap'] = None\n{ALONE}", tmp_path, str(save_fixed(tmp_path / "fixed.pt"))
    )
    assert "track.annotator ultralytics: no module 'lap': make setup EXTRAS=yolo" in done.stderr
