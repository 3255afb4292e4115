"""The main person: measurement and verdict."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from annotators.blazepose.tracks import BlazePoseTracks
from annotators.main_person import SamplingConfig, TrackConfig, judge_main_person, measure_main_person, sample_frames

GOOD = {
    "person_share": 1.0,
    "second_person_share": 0.0,
    "leg_visibility": 0.9,
    "person_height": 0.6,
    "track_share": 1.0,
}


@dataclass
class FakePerson:
    box_xyxy: np.ndarray
    leg_visibility: float = 0.9
    presence: float = 1.0

    @property
    def area(self) -> float:
        return float((self.box_xyxy[2:] - self.box_xyxy[:2]).prod())


def make_box(width: float, height: float, x: float = 0) -> np.ndarray:
    return np.array([x, 0, x + width, height], dtype=np.float64)


class NumberedFrames:
    """Frames that hold only their own number."""

    fps = Fraction(30)
    width, height = 200, 100

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def read_rgb(self, index: int) -> np.ndarray:
        return np.full((1, 1, 3), index, np.uint8)


class FakeDetector:
    """Detects `people(i)` on frame i, and records the frames with detection."""

    def __init__(self, people, tracks: bool = True) -> None:
        self._people, self._tracks = people, tracks
        self.detected_on: list[int] = []

    def detect(self, rgb: np.ndarray, repaints: int, max_disagreement: float) -> list[FakePerson]:
        index = int(rgb[0, 0, 0])
        if repaints:
            self.detected_on.append(index)
        return sorted(self._people(index), key=lambda person: -person.area)

    def track(self, rgb: np.ndarray, person: FakePerson, max_disagreement: float | None = None) -> FakePerson | None:
        return person if self._tracks else None


def test_shares_heights_and_track_of_a_clip_with_a_passer_by():
    def people(index: int) -> list[FakePerson]:
        far = [FakePerson(make_box(10, 30, 150))]  # 0.125 of the main person's area: does not count
        near = [FakePerson(make_box(20, 60, 100), leg_visibility=0.1)] if index < 30 else []
        return [FakePerson(make_box(40, 60)), *far, *near]

    detector = FakeDetector(people)
    person = measure_main_person(NumberedFrames(120), detector, SamplingConfig())
    assert detector.detected_on == [5, 15, 25, 35, 45, 55, 65, 75, 85, 95, 105, 115]
    assert person.scores == {
        "person_share": 1.0,
        "second_person_share": 3 / 12,
        "leg_visibility": 0.9,
        "person_height": 0.6,
        "person_px": 60.0,
        "track_share": 1.0,
    }
    assert {0, 5, 119} <= set(person.track.frames.tolist()) and (np.diff(person.track.frames) <= 5).all()
    np.testing.assert_array_equal(person.track.boxes_xyxy[0], [0, 0, 40, 60])


def test_nobody_gives_no_track_and_zeros():
    person = measure_main_person(NumberedFrames(30), FakeDetector(lambda index: []), SamplingConfig())
    assert person.track is None
    assert set(person.scores.values()) == {0.0}
    assert judge_main_person(person.scores, TrackConfig()).reason == "no_person"


def test_tracking_fills_a_frame_without_detections():
    def missed_on_odd_samples(index: int) -> list[FakePerson]:
        return [] if index >= 60 else [FakePerson(make_box(40, 60))]

    assert (
        measure_main_person(NumberedFrames(120), FakeDetector(missed_on_odd_samples), SamplingConfig()).scores[
            "person_share"
        ]
        == 1.0
    )
    lost = measure_main_person(NumberedFrames(120), FakeDetector(missed_on_odd_samples, tracks=False), SamplingConfig())
    assert lost.scores["person_share"] == 0.5
    assert lost.track.frames.max() < 60


@pytest.mark.parametrize(
    ("missed", "reason"),
    [
        ({"person_share": 0.4, "second_person_share": 1.0}, "no_person"),
        ({"second_person_share": 1.0, "leg_visibility": 0.0}, "several_people"),
        ({"leg_visibility": 0.0, "second_person_share": 0.25}, "partial_body"),
        ({"leg_visibility": 0.1, "person_height": 0.1}, "partial_body"),
        ({"person_height": 0.1}, "person_too_small"),
        ({"track_share": 0.4}, "track_lost"),
    ],
)
def test_the_threshold_missed_by_most_is_the_reason(missed: dict[str, float], reason: str):
    reject = judge_main_person(GOOD | missed, TrackConfig())
    assert (reject.reason, reject.score) == (reason, next(iter(missed.values())))
    assert reject.threshold is not None and "\n" not in reject.detail


def test_a_score_on_the_threshold_passes():
    config = TrackConfig()
    on_the_threshold = {
        "person_share": config.min_person_share,
        "second_person_share": config.max_second_person_share,
        "leg_visibility": config.min_leg_visibility,
        "person_height": config.min_person_height,
        "track_share": config.min_track_share,
    }
    assert judge_main_person(on_the_threshold, config) is None


def test_a_model_without_keypoints_has_no_leg_score():
    measured = {name: score for name, score in GOOD.items() if name != "leg_visibility"}
    assert judge_main_person(measured, TrackConfig()) is None
    assert judge_main_person({name: score for name, score in GOOD.items() if name != "person_height"}, TrackConfig())


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), st.floats(0, 1)), st.floats(0, 1))
def test_a_looser_threshold_never_rejects_more(changed: dict[str, float], threshold: float):
    scores = GOOD | changed
    if judge_main_person(scores, TrackConfig(max_second_person_share=threshold)) is None:
        assert judge_main_person(scores, TrackConfig(max_second_person_share=1.0)) is None


@given(st.integers(1, 5000), st.floats(1, 120))
def test_sampled_frames_are_distinct_inside_and_even(count: int, fps: float):
    sampling = SamplingConfig()
    frames = sample_frames(count, fps, sampling)
    assert len(frames) == min(count, max(12, min(24, round(count / fps * 2))))
    assert frames[0] >= 0 and frames[-1] < count
    steps = np.diff(frames)
    assert len(steps) == 0 or (steps.min() >= 1 and steps.max() - steps.min() <= 1)


def test_a_misspelt_setting_is_an_error():
    with pytest.raises(ValidationError):
        TrackConfig(min_leg_visibilty=0.1)


class VideoStart(NumberedFrames):
    """The first two seconds of a file, 480 px on the shorter side."""

    def __init__(self, path: Path) -> None:
        self._images = []
        with av.open(str(path)) as container:
            container.streams.video[0].thread_count = 1
            for frame in islice(container.decode(video=0), 60):
                scale = 480 / min(frame.width, frame.height)
                size = {"width": round(frame.width * scale), "height": round(frame.height * scale)}
                self._images.append(frame.reformat(format="rgb24", **size).to_ndarray())
        super().__init__(len(self._images))
        self.height, self.width = self._images[0].shape[:2]

    def read_rgb(self, index: int) -> np.ndarray:
        return self._images[index]


def test_verdicts_of_real_clips(shared_data: Path):
    annotator = BlazePoseTracks(SamplingConfig(min_samples=8, track_every=30))
    annotator.load("cpu")
    verdicts = {}
    for name in ("sam2_juggle.mp4", "p2s_multi01.mp4", "intel_asl_again.mkv", "intel_bottle.mp4"):
        (person,) = annotator.annotate([VideoStart(shared_data / "video" / name)])
        reject = judge_main_person(person.scores, TrackConfig())
        verdicts[name] = reject and str(reject.reason)
    assert verdicts == {
        "sam2_juggle.mp4": None,
        "p2s_multi01.mp4": "several_people",
        "intel_asl_again.mkv": "partial_body",
        "intel_bottle.mp4": "no_person",
    }
