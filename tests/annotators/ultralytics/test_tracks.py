"""The main person of a clip, by the library's own model, file and trackers; the people are dots that a model with
weights set by hand finds at known places."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from annotators.main_person import TrackConfig, judge_main_person
from annotators.registry import load_annotator
from annotators.ultralytics.config import UltralyticsConfig
from annotators.ultralytics.tracks import UltralyticsTracks
from annotators.weights.user_files import UserWeights
from humove.errors import UserError
from humove.video.frames import ArrayFrames
from tests.annotators.ultralytics.tiny import LARGE, SMALL, draw_dot, make_box, save_dots

pytestmark = [
    pytest.mark.usefixtures("no_network"),
    pytest.mark.extra("yolo"),
]
RED, GREEN, BLUE = 0, 1, 2
FPS = 10


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("yolo")
    return {task: save_dots(folder / f"{task}.pt", task) for task in ("detect", "pose")}


def make_clip(count: int, draw: Callable[[np.ndarray, int], None]) -> ArrayFrames:
    """Make a clip of black 320x192 frames with what `draw` puts into frame i."""
    frames = np.zeros((count, 192, 320, 3), np.uint8)
    for index, frame in enumerate(frames):
        draw(frame, index)
    return ArrayFrames(frames, FPS)


def load_tracks(path: Path, **settings) -> UltralyticsTracks:
    section = UltralyticsConfig(weights=UserWeights(path=str(path)), image_size=320, **settings)
    config = TrackConfig(annotator="ultralytics", ultralytics=section)
    return load_annotator("tracks", config)


@pytest.mark.parametrize("tracker", ["bytetrack", "botsort"])
def test_the_one_who_walks_by_all_the_time_is_the_main_person(weights: dict[str, Path], tracker: str):
    def draw(frame: np.ndarray, index: int) -> None:
        draw_dot(frame, 8 + index, 12, RED)
        draw_dot(frame, 36, 20, BLUE)  # a dog
        if index >= 10:
            draw_dot(frame, 4, 19, GREEN)

    (person,) = load_tracks(weights["pose"], tracker=tracker).annotate([make_clip(20, draw)])
    np.testing.assert_array_equal(person.track.frames, np.arange(20))
    np.testing.assert_allclose(person.track.boxes_xyxy, [make_box(8 + i, 12, LARGE) for i in range(20)], atol=1e-3)
    assert np.ptp(person.track.scores) == 0 and person.track.scores[0] == pytest.approx(1 / (1 + np.exp(-5)), abs=0.01)
    assert person.scores == pytest.approx(
        {
            "person_share": 1.0,
            "second_person_share": 0.5,  # 48 x 48 px of 80 x 80
            "leg_visibility": 0.5,
            "person_height": 80 / 192,
            "person_px": 80.0,
            "track_share": 1.0,
        },
        abs=1e-3,
    )
    assert judge_main_person(person.scores, TrackConfig()).reason == "several_people"
    alone = load_tracks(weights["pose"], tracker=tracker, second_person_area_ratio=0.4).annotate([make_clip(20, draw)])
    assert alone[0].scores["second_person_share"] == 0.0


def test_another_id_ends_the_track(weights: dict[str, Path]):
    def draw(frame: np.ndarray, index: int) -> None:
        draw_dot(frame, 8 if index < 14 else 30, 12, RED)

    (person,) = load_tracks(weights["detect"]).annotate([make_clip(20, draw)])
    np.testing.assert_array_equal(person.track.frames, np.arange(14))
    assert person.track.boxes_xyxy[:, 0].max() == 28
    assert "leg_visibility" not in person.scores
    assert (person.scores["person_share"], person.scores["track_share"]) == (1.0, 0.7)
    assert judge_main_person(person.scores, TrackConfig()) is None
    assert judge_main_person(person.scores, TrackConfig(min_track_share=0.75)).reason == "track_lost"


def test_size_and_persistence_both_count(weights: dict[str, Path]):
    def draw(frame: np.ndarray, index: int) -> None:
        draw_dot(frame, 30, 12, GREEN)
        if index < 5:
            draw_dot(frame, 8, 12, RED)  # 80^2 px on 5 frames, against 48^2 on 20

    (person,) = load_tracks(weights["detect"]).annotate([make_clip(20, draw)])
    np.testing.assert_allclose(person.track.boxes_xyxy, [make_box(30, 12, SMALL)] * 20, atol=1e-3)
    assert person.scores["second_person_share"] == 0.25


@pytest.mark.parametrize(("gap", "expected"), [(8, 22), (14, 10)])
def test_a_person_lost_for_less_than_a_second_keeps_the_id(weights: dict[str, Path], gap: int, expected: int):
    def draw(frame: np.ndarray, index: int) -> None:
        if index < 10 or index >= 10 + gap:
            draw_dot(frame, 20, 12, RED)

    count = 10 + gap + (12 if gap == 8 else 9)
    (person,) = load_tracks(weights["detect"], max_lost_s=1.0).annotate([make_clip(count, draw)])
    assert len(person.track.frames) == expected
    assert person.scores["track_share"] == expected / count


def test_a_low_score_continues_a_track_but_starts_none(weights: dict[str, Path]):
    def draw(frame: np.ndarray, index: int) -> None:
        draw_dot(frame, 20, 12, RED, 1.0 if index < 5 else 0.36)
        draw_dot(frame, 34, 12, RED, 0.36)

    (person,) = load_tracks(weights["detect"]).annotate([make_clip(10, draw)])
    assert len(person.track.frames) == 10
    assert 0.1 < person.track.scores[-1] < 0.25
    assert person.scores["second_person_share"] == 0.0


def test_every_second_frame_and_the_last(weights: dict[str, Path]):
    clip = make_clip(12, lambda frame, index: draw_dot(frame, 10 + index, 12, RED))
    (person,) = load_tracks(weights["detect"], every=2).annotate([clip])
    assert person.track.frames.tolist() == [0, 2, 4, 6, 8, 10, 11]
    np.testing.assert_allclose(person.track.boxes_xyxy[-1], make_box(21, 12, LARGE), atol=1e-3)


def test_nobody(weights: dict[str, Path]):
    (person,) = load_tracks(weights["pose"]).annotate([make_clip(5, lambda frame, index: draw_dot(frame, 9, 9, BLUE))])
    assert person.track is None and set(person.scores.values()) == {0.0}
    assert judge_main_person(person.scores, TrackConfig()).reason == "no_person"


def test_clips_and_batches_are_independent(weights: dict[str, Path], monkeypatch):
    def draw(frame: np.ndarray, index: int) -> None:
        draw_dot(frame, 8 + index, 12, RED)

    clip, other = make_clip(9, draw), make_clip(4, lambda frame, index: draw_dot(frame, 20, 8, RED))
    one = load_tracks(weights["detect"], batch=1).annotate([clip])[0]
    many = load_tracks(weights["detect"], batch=4)
    batches: list[int] = []
    detect = many._detector.detect

    def full_from_three(frames):
        batches.append(len(frames))
        if len(frames) > 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return detect(frames)

    monkeypatch.setattr(many._detector, "detect", full_from_three)
    again = many.annotate([other, clip])[1]
    assert batches == [4, 2, 2, 4, 2, 2, 2, 2, 1]
    np.testing.assert_allclose(again.track.boxes_xyxy, one.track.boxes_xyxy, atol=1e-3)
    assert again.scores == pytest.approx(one.scores)


def test_a_file_with_another_sha256_is_an_error(weights: dict[str, Path]):
    given = UserWeights(path=str(weights["detect"]), sha256="0" * 64)
    with pytest.raises(UserError, match=r"track\.ultralytics\.weights: .* it is another file"):
        UltralyticsTracks(UltralyticsConfig(weights=given)).load("cpu")
    with pytest.raises(UserError, match=r"track\.ultralytics\.weights\.path is not set"):
        UltralyticsTracks(UltralyticsConfig()).load("cpu")
