"""The main person of a clip, by the library's own model, file and trackers; the people are dots that a model with
weights set by hand finds at known places."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from annotators.main_person import TrackConfig, judge
from annotators.registry import load_annotator
from annotators.ultralytics.config import UltralyticsConfig
from annotators.ultralytics.tracks import UltralyticsTracks
from annotators.user_weights import UserWeights
from humove.errors import UserError
from humove.video.frames import ArrayFrames
from tests.annotators.ultralytics.tiny import LARGE, SMALL, box_of, dot, save_dots

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


def film(count: int, draw: Callable[[np.ndarray, int], None]) -> ArrayFrames:
    """320x192 pictures of black, with what `draw` puts into number i."""
    pictures = np.zeros((count, 192, 320, 3), np.uint8)
    for index, picture in enumerate(pictures):
        draw(picture, index)
    return ArrayFrames(pictures, FPS)


def annotator(path: Path, **settings) -> UltralyticsTracks:
    section = UltralyticsConfig(weights=UserWeights(path=str(path)), image_size=320, **settings)
    config = TrackConfig(annotator="ultralytics", ultralytics=section)
    return load_annotator("tracks", config)


@pytest.mark.parametrize("tracker", ["bytetrack", "botsort"])
def test_the_one_who_walks_by_all_the_time_is_the_main_person(weights: dict[str, Path], tracker: str):
    def draw(picture: np.ndarray, index: int) -> None:
        dot(picture, 8 + index, 12, RED)
        dot(picture, 36, 20, BLUE)  # a dog
        if index >= 10:
            dot(picture, 4, 19, GREEN)

    (person,) = annotator(weights["pose"], tracker=tracker).annotate([film(20, draw)])
    np.testing.assert_array_equal(person.track.frames, np.arange(20))
    np.testing.assert_allclose(person.track.boxes_xyxy, [box_of(8 + i, 12, LARGE) for i in range(20)], atol=1e-3)
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
    assert judge(person.scores, TrackConfig()).reason == "several_people"
    alone = annotator(weights["pose"], tracker=tracker, second_person_area_ratio=0.4).annotate([film(20, draw)])
    assert alone[0].scores["second_person_share"] == 0.0


def test_another_id_ends_the_track(weights: dict[str, Path]):
    def draw(picture: np.ndarray, index: int) -> None:
        dot(picture, 8 if index < 14 else 30, 12, RED)

    (person,) = annotator(weights["detect"]).annotate([film(20, draw)])
    np.testing.assert_array_equal(person.track.frames, np.arange(14))
    assert person.track.boxes_xyxy[:, 0].max() == 28
    assert "leg_visibility" not in person.scores
    assert (person.scores["person_share"], person.scores["track_share"]) == (1.0, 0.7)
    assert judge(person.scores, TrackConfig()) is None
    assert judge(person.scores, TrackConfig(min_track_share=0.75)).reason == "track_lost"


def test_size_and_persistence_choose_together(weights: dict[str, Path]):
    def draw(picture: np.ndarray, index: int) -> None:
        dot(picture, 30, 12, GREEN)
        if index < 5:
            dot(picture, 8, 12, RED)  # 80^2 px on 5 frames, against 48^2 on 20

    (person,) = annotator(weights["detect"]).annotate([film(20, draw)])
    np.testing.assert_allclose(person.track.boxes_xyxy, [box_of(30, 12, SMALL)] * 20, atol=1e-3)
    assert person.scores["second_person_share"] == 0.25


@pytest.mark.parametrize(("gap", "seen"), [(8, 22), (14, 10)])
def test_someone_out_of_sight_for_less_than_a_second_is_the_same(weights: dict[str, Path], gap: int, seen: int):
    def draw(picture: np.ndarray, index: int) -> None:
        if index < 10 or index >= 10 + gap:
            dot(picture, 20, 12, RED)

    count = 10 + gap + (12 if gap == 8 else 9)
    (person,) = annotator(weights["detect"], max_lost_s=1.0).annotate([film(count, draw)])
    assert len(person.track.frames) == seen
    assert person.scores["track_share"] == seen / count


def test_a_faint_find_is_followed_but_nobody_new(weights: dict[str, Path]):
    def draw(picture: np.ndarray, index: int) -> None:
        dot(picture, 20, 12, RED, 1.0 if index < 5 else 0.36)
        dot(picture, 34, 12, RED, 0.36)

    (person,) = annotator(weights["detect"]).annotate([film(10, draw)])
    assert len(person.track.frames) == 10
    assert 0.1 < person.track.scores[-1] < 0.25
    assert person.scores["second_person_share"] == 0.0


def test_every_other_frame_and_the_last(weights: dict[str, Path]):
    clip = film(12, lambda picture, index: dot(picture, 10 + index, 12, RED))
    (person,) = annotator(weights["detect"], every=2).annotate([clip])
    assert person.track.frames.tolist() == [0, 2, 4, 6, 8, 10, 11]
    np.testing.assert_allclose(person.track.boxes_xyxy[-1], box_of(21, 12, LARGE), atol=1e-3)


def test_nobody(weights: dict[str, Path]):
    (person,) = annotator(weights["pose"]).annotate([film(5, lambda picture, index: dot(picture, 9, 9, BLUE))])
    assert person.track is None and set(person.scores.values()) == {0.0}
    assert judge(person.scores, TrackConfig()).reason == "no_person"


def test_clips_and_batches_leave_no_trace_in_each_other(weights: dict[str, Path], monkeypatch):
    def draw(picture: np.ndarray, index: int) -> None:
        dot(picture, 8 + index, 12, RED)

    clip, other = film(9, draw), film(4, lambda picture, index: dot(picture, 20, 8, RED))
    one = annotator(weights["detect"], batch=1).annotate([clip])[0]
    many = annotator(weights["detect"], batch=4)
    asked: list[int] = []
    find = many._detector.find

    def full_from_three(pictures):
        asked.append(len(pictures))
        if len(pictures) > 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return find(pictures)

    monkeypatch.setattr(many._detector, "find", full_from_three)
    again = many.annotate([other, clip])[1]
    assert asked == [4, 2, 2, 4, 2, 2, 2, 2, 1]
    np.testing.assert_allclose(again.track.boxes_xyxy, one.track.boxes_xyxy, atol=1e-3)
    assert again.scores == pytest.approx(one.scores)


def test_another_file_than_the_one_meant(weights: dict[str, Path]):
    given = UserWeights(path=str(weights["detect"]), sha256="0" * 64)
    with pytest.raises(UserError, match=r"track\.ultralytics\.weights: .* it is another file"):
        UltralyticsTracks(UltralyticsConfig(weights=given)).load("cpu")
    with pytest.raises(UserError, match=r"track\.ultralytics\.weights\.path is not set"):
        UltralyticsTracks(UltralyticsConfig()).load("cpu")
