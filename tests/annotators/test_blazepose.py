"""BlazePose without GL, compared with MediaPipe's landmarks and with its geometry."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotators.blazepose.detector import decode_detections, make_anchors, merge_overlapping
from annotators.blazepose.landmarker import refine_points
from annotators.blazepose.people import PeopleDetector, compute_body_box, compute_tiles
from annotators.blazepose.pose2d import BlazePosePose2D
from annotators.blazepose.prune import prune_model
from annotators.blazepose.roi import Roi, crop_roi, make_roi_from_points, map_crop_to_frame
from annotators.blazepose.tflite import TfliteModel
from annotators.weights import table as weights
from humove.motion.skeletons import MEDIAPIPE_33, find_mirror_indices
from humove.stage import Reject
from humove.types import Landmarks, PersonTrack

DATA = Path(__file__).with_name("data")


class MemoryFrames:
    """A clip in memory."""

    fps = Fraction(30)

    def __init__(self, images: list[np.ndarray]) -> None:
        self._images = images
        self.height, self.width = images[0].shape[:2]

    def __len__(self) -> int:
        return len(self._images)

    def read_rgb(self, index: int) -> np.ndarray:
        return self._images[index]


@pytest.fixture(scope="module")
def people() -> PeopleDetector:
    return PeopleDetector()


@pytest.fixture(scope="module")
def pose2d() -> BlazePosePose2D:
    annotator = BlazePosePose2D()
    annotator.load("cpu")
    return annotator


@pytest.fixture(scope="module")
def person() -> np.ndarray:
    """The project's painted body, RGB (360, 320, 3)."""
    return np.ascontiguousarray(cv2.imread(str(DATA / "painted_person.jpg"))[..., ::-1])


def make_track(count: int, box: tuple[float, float, float, float]) -> PersonTrack:
    return PersonTrack(
        frames=np.array([0, count - 1]),
        boxes_xyxy=np.array([box, box], dtype=np.float32),
        scores=np.ones(2, np.float32),
    )


def test_landmarks_agree_with_mediapipe(people: PeopleDetector, person: np.ndarray):
    # Golden values: mediapipe 0.10.21, solutions.pose, static_image_mode, model_complexity 1, on the same JPEG.
    want = np.load(DATA / "painted_person_mediapipe.npz", allow_pickle=False)
    roi = people.detector.detect(person)[0].make_roi()
    got = people.landmarker.detect_landmarks(people.landmarker.crop_input(person, roi), roi)
    assert got.presence > 0.99
    # MediaPipe's points lie half a pixel of the crop to the right and below, less half a pixel of the frame.
    shifted = got.keypoints + roi.rotate_vectors(np.full(2, 0.5 / 256)) * roi.size - 0.5
    apart = np.linalg.norm(shifted - want["keypoints"], axis=1)
    assert np.median(apart) < 0.3 and apart.max() < 2
    apart_mm = 1000 * np.linalg.norm(got.world - want["world"], axis=1)
    assert np.median(apart_mm) < 5 and apart_mm.max() < 30
    assert np.abs(got.visibility - want["visibility"]).max() < 0.02


def test_a_pruned_model_is_bit_identical():
    path = weights.resolve_weights("blazepose_landmarks")
    names = ("Identity", "Identity_1", "Identity_2", "Identity_3", "Identity_4")
    image = np.random.default_rng(0).random((256, 256, 3), dtype=np.float32)
    whole, part = TfliteModel(path, names)(image), TfliteModel(path, names[:2])(image)
    assert set(part) == {"Identity", "Identity_1"}
    for name, value in part.items():
        np.testing.assert_array_equal(value, whole[name])
    assert len(prune_model(path.read_bytes(), names[:2])) < path.stat().st_size
    with pytest.raises(ValueError, match="no output .'nonesuch'"):
        prune_model(path.read_bytes(), ["nonesuch"])


def test_mirrored_pass_agrees_by_name_and_place(people: PeopleDetector, person: np.ndarray):
    roi = people.detector.detect(person)[0].make_roi()
    crop = people.landmarker.crop_input(person, roi)
    straight, mirror = (
        people.landmarker.detect_landmarks(crop, roi),
        people.landmarker.detect_landmarks(crop, roi, mirror=True),
    )
    offset = mirror.keypoints - straight.keypoints
    # Left and right mixed up would put wrists some 100 px apart; a flip off by one pixel of the crop shows in the mean.
    assert np.linalg.norm(offset, axis=1).max() < 15
    assert abs(np.median(offset[:, 0])) < 0.6 * roi.size / 256
    assert np.median(np.linalg.norm(mirror.world - straight.world, axis=1)) < 0.12


def test_mirrored_pass_is_the_pass_over_the_mirrored_crop(people: PeopleDetector, person: np.ndarray):
    roi = Roi(160.0, 180.0, 300.0, 0.0)
    crop = people.landmarker.crop_input(person, roi)
    there = people.landmarker.detect_landmarks(np.ascontiguousarray(crop[:, ::-1]), roi)
    back = people.landmarker.detect_landmarks(crop, roi, mirror=True)
    swap = list(find_mirror_indices(MEDIAPIPE_33))
    # Mirroring the crop mirrors the frame about the square's middle, but for half a pixel in map_crop_to_frame.
    middle = map_crop_to_frame(np.array([0.5, 0.5]), roi, 256)[0]
    np.testing.assert_allclose(back.keypoints[swap, 0], 2 * middle - there.keypoints[:, 0], atol=1e-9)
    np.testing.assert_allclose(back.world[swap] * [-1, 1, 1], there.world, atol=1e-9)
    np.testing.assert_array_equal(back.scores[swap], there.scores)


def test_anchors_are_in_the_order_of_the_models_outputs():
    centres = make_anchors()
    assert centres.shape == (2254, 2)
    np.testing.assert_allclose(centres[[0, 1, 2]], [[0.5 / 28, 0.5 / 28], [0.5 / 28, 0.5 / 28], [1.5 / 28, 0.5 / 28]])
    np.testing.assert_allclose(centres[1568], [0.5 / 14, 0.5 / 14])
    np.testing.assert_allclose(centres[-1], [6.5 / 7, 6.5 / 7])


def test_boxes_decode_around_their_anchor_and_overlapping_ones_merge():
    raw = np.zeros((3, 12), np.float32)
    raw[:, 2:4] = 22.4
    raw[1, [0, 4]] = 2.24  # box and first point, a hundredth of the frame to the right
    centres = np.array([[0.5, 0.5], [0.5, 0.5], [0.1, 0.1]])
    rows = decode_detections(raw, np.array([2.0, 1.0, -1.0], np.float32), centres)
    assert len(rows) == 2  # the third scores below one half
    np.testing.assert_allclose(rows[0, 1:5], [0.45, 0.45, 0.55, 0.55], atol=1e-6)
    (merged,) = merge_overlapping(rows)
    weights = 1 / (1 + np.exp([-2.0, -1.0]))
    assert merged[0] == pytest.approx(weights[0])
    assert merged[5] == pytest.approx((0.5 * weights[0] + 0.51 * weights[1]) / weights.sum(), abs=1e-6)
    apart = rows.copy()
    apart[1, 1:5] += 0.2
    assert len(merge_overlapping(apart)) == 2


def test_refine_moves_a_point_to_the_heat_and_leaves_it_without_heat():
    heat = np.full((64, 64, 3), -20.0, np.float32)
    heat[30:33, 40:43, 0] = 5.0
    heat[30:33, 40:43, 1] = -1.0
    heat[30:33, 40:43, 2] = 5.0
    points = np.array([[40.2 / 64, 32.9 / 64], [40.2 / 64, 32.9 / 64], [1.3, 0.5]])
    refined = refine_points(points, heat)
    np.testing.assert_allclose(refined[0], [41 / 64, 31 / 64], atol=1e-6)
    np.testing.assert_array_equal(refined[1:], points[1:])


@given(st.floats(100, 200), st.floats(100, 200), st.floats(150, 600), st.floats(-3.1, 3.1))
@settings(max_examples=25, deadline=None)
def test_map_crop_to_frame_inverts_crop_roi(x: float, y: float, size: float, rotation: float):
    image = np.zeros((300, 300, 3), np.uint8)
    image[148:153, 158:163] = 255  # centred at (160.5, 150.5) px
    roi = Roi(x, y, size, rotation)
    crop = crop_roi(image, roi, 256)[..., 0].astype(np.float64)
    crop[crop < 40] = 0
    rows, columns = np.mgrid[:256, :256] + 0.5
    inner = crop[2:-2, 2:-2].sum()
    if inner < 2000 or inner < crop.sum():
        return  # the spot lies outside the square
    centre = np.array([(crop * columns).sum(), (crop * rows).sum()]) / crop.sum() / 256
    np.testing.assert_allclose(map_crop_to_frame(centre, roi, 256), [160.5, 150.5], atol=0.6)


def test_the_roi_rotates_with_the_person():
    up = make_roi_from_points(np.array([50.0, 80.0]), np.array([50.0, 20.0]))
    assert (up.size, up.rotation) == (pytest.approx(150), pytest.approx(0))
    right = make_roi_from_points(np.array([50.0, 80.0]), np.array([110.0, 80.0]))
    assert right.rotation == pytest.approx(np.pi / 2)
    assert make_roi_from_points(np.array([50.0, 80.0]), np.array([50.0, 80.0])) is None


def test_body_box_contains_the_head_and_is_clipped_to_the_frame(people: PeopleDetector, person: np.ndarray):
    (found,) = people.detect(person, 3, 0.03)
    x0, y0, x1, y1 = found.box_xyxy
    # The painted body by its pixels: 100..230 by 74..289.
    assert x0 <= 102 and x1 >= 228 and 60 < y0 <= 75 and 287 <= y1 < 310
    cut = compute_body_box(np.array([[-50.0, -60.0], [500.0, 600.0]] * 17)[:33], 320, 360)
    np.testing.assert_array_equal(cut, [0, 0, 320, 360])


def test_detect_two_people_one_and_none(people: PeopleDetector, person: np.ndarray):
    two = np.hstack([person[:, 60:260], person[:, 60:260]])
    assert len(people.detect(two, 3, 0.03)) == 2
    assert len(people.detect(person, 3, 0.03)) == 1
    assert people.detect(np.full_like(person, 128), 3, 0.03) == []


def test_tiles_cover_a_long_frame():
    assert compute_tiles(400, 360) == []
    for width, height in ((640, 360), (360, 640)):
        boxes = compute_tiles(width, height)
        covered = np.zeros((height, width), bool)
        for x, y, side in boxes:
            assert x + side <= width and y + side <= height
            covered[y : y + side, x : x + side] = True
        assert covered.all()


def test_frames_without_the_person_are_not_found(pose2d: BlazePosePose2D, person: np.ndarray):
    empty = np.full_like(person, 150)
    frames = MemoryFrames([person, person, empty, empty, person])
    (landmarks,) = pose2d.annotate([(frames, make_track(5, (100, 70, 230, 290)))])
    assert landmarks.found.tolist() == [True, True, False, False, True]
    assert (landmarks.scores[[2, 3]] == 0).all() and landmarks.scores[4].max() > 0.9
    assert landmarks.scores.dtype == np.float32 and np.isfinite(landmarks.keypoints).all()
    (nobody,) = pose2d.annotate([(MemoryFrames([empty, empty]), make_track(2, (100, 70, 230, 290)))])
    assert isinstance(nobody, Reject) and nobody.reason == "no_person"


def test_points_outside_the_frame_score_zero(pose2d: BlazePosePose2D, person: np.ndarray):
    hips_up = np.ascontiguousarray(person[:200])
    (landmarks,) = pose2d.annotate([(MemoryFrames([hips_up]), make_track(1, (100, 70, 230, 200)))])
    feet = [i for i, name in enumerate(MEDIAPIPE_33) if "heel" in name or "ankle" in name]
    assert (landmarks.keypoints[0, feet, 1] > 200).all()
    assert (landmarks.scores[0, feet] == 0).all()
    assert landmarks.scores[0, MEDIAPIPE_33.index("nose")] > 0.9


def test_the_roi_follows_the_track_to_another_place(pose2d: BlazePosePose2D, person: np.ndarray):
    blank = np.full((360, 700, 3), 180, np.uint8)
    left, right = blank.copy(), blank.copy()
    left[:, :320], right[:, 380:] = person, person
    boxes = np.array([[100, 70, 230, 290], [100, 70, 230, 290], [480, 70, 610, 290], [480, 70, 610, 290]], np.float32)
    track = PersonTrack(frames=np.arange(4), boxes_xyxy=boxes, scores=np.ones(4, np.float32))
    (landmarks,) = pose2d.annotate([(MemoryFrames([left, left, right, right]), track)])
    assert landmarks.found.all()
    nose = landmarks.keypoints[:, MEDIAPIPE_33.index("nose")]
    np.testing.assert_allclose(nose[2:] - nose[:2], [[380, 0], [380, 0]], atol=3)


def test_results_do_not_depend_on_batch_or_instance(pose2d: BlazePosePose2D, person: np.ndarray):
    clips = [MemoryFrames([person, np.roll(person, 5, axis=1)]), MemoryFrames([np.roll(person, -9, axis=1)])]
    inputs = [(clip, make_track(len(clip), (95, 70, 235, 290))) for clip in clips]
    together = pose2d.annotate(inputs)
    other = BlazePosePose2D()
    other.load("cpu")
    apart = [other.annotate([each])[0] for each in reversed(inputs)][::-1]
    for a, b in zip(together, apart, strict=True):
        assert isinstance(a, Landmarks)
        for name in ("keypoints", "scores", "world", "mirror_keypoints", "mirror_world", "found"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no /proc here")
def test_no_gl_library_is_loaded():
    code = (
        "import numpy as np\n"
        "from annotators.blazepose.people import PeopleDetector\n"
        "PeopleDetector().detect(np.zeros((90, 160, 3), np.uint8), 1, 0.03)\n"
        "maps = open('/proc/self/maps').read()\n"
        "assert 'ai_edge_litert' in maps\n"
        "assert not [g for g in ('libGL.', 'libGLESv2', 'libEGL', 'libGLX') if g in maps]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
