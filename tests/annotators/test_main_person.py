"""The rule of one main person: what is measured, and what is said of it."""

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
from annotators.main_person import SamplingConfig, TrackConfig, judge, measure, sample_frames

GOOD = {
    "person_share": 1.0,
    "second_person_share": 0.0,
    "leg_visibility": 0.9,
    "person_height": 0.6,
    "track_share": 1.0,
}


@dataclass
class Seen:
    box_xyxy: np.ndarray
    leg_visibility: float = 0.9
    presence: float = 1.0

    @property
    def area(self) -> float:
        return float((self.box_xyxy[2:] - self.box_xyxy[:2]).prod())


def box(width: float, height: float, x: float = 0) -> np.ndarray:
    return np.array([x, 0, x + width, height], dtype=np.float64)


class Frames:
    """Frames that say only their own number."""

    fps = Fraction(30)
    width, height = 200, 100

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def rgb(self, index: int) -> np.ndarray:
        return np.full((1, 1, 3), index, np.uint8)


class Finder:
    """Shows on frame i what `people(i)` says, and remembers what was asked."""

    def __init__(self, people, follows: bool = True) -> None:
        self._people, self._follows = people, follows
        self.searched: list[int] = []

    def find(self, rgb: np.ndarray, repaints: int, max_disagreement: float) -> list[Seen]:
        index = int(rgb[0, 0, 0])
        if repaints:
            self.searched.append(index)
        return sorted(self._people(index), key=lambda person: -person.area)

    def follow(self, rgb: np.ndarray, person: Seen, max_disagreement: float | None = None) -> Seen | None:
        return person if self._follows else None


def test_shares_heights_and_track_of_a_clip_with_a_passer_by():
    def people(index: int) -> list[Seen]:
        far = [Seen(box(10, 30, 150))]  # 0.125 of the main person's area: does not count
        near = [Seen(box(20, 60, 100), leg_visibility=0.1)] if index < 30 else []
        return [Seen(box(40, 60)), *far, *near]

    finder = Finder(people)
    person = measure(Frames(120), finder, SamplingConfig())
    assert finder.searched == [5, 15, 25, 35, 45, 55, 65, 75, 85, 95, 105, 115]
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
    person = measure(Frames(30), Finder(lambda index: []), SamplingConfig())
    assert person.track is None
    assert set(person.scores.values()) == {0.0}
    assert judge(person.scores, TrackConfig()).reason == "no_person"


def test_a_frame_on_which_the_search_fails_is_saved_by_following():
    def missed_on_odd_samples(index: int) -> list[Seen]:
        return [] if index >= 60 else [Seen(box(40, 60))]

    assert measure(Frames(120), Finder(missed_on_odd_samples), SamplingConfig()).scores["person_share"] == 1.0
    lost = measure(Frames(120), Finder(missed_on_odd_samples, follows=False), SamplingConfig())
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
def test_the_bar_missed_by_most_is_the_reason(missed: dict[str, float], reason: str):
    reject = judge(GOOD | missed, TrackConfig())
    assert (reject.reason, reject.score) == (reason, next(iter(missed.values())))
    assert reject.threshold is not None and "\n" not in reject.detail


def test_a_score_on_the_bar_passes():
    config = TrackConfig()
    on_the_bar = {
        "person_share": config.min_person_share,
        "second_person_share": config.max_second_person_share,
        "leg_visibility": config.min_leg_visibility,
        "person_height": config.min_person_height,
        "track_share": config.min_track_share,
    }
    assert judge(on_the_bar, config) is None


def test_a_model_without_keypoints_says_nothing_of_legs():
    seen = {name: score for name, score in GOOD.items() if name != "leg_visibility"}
    assert judge(seen, TrackConfig()) is None
    assert judge({name: score for name, score in GOOD.items() if name != "person_height"}, TrackConfig())


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), st.floats(0, 1)), st.floats(0, 1))
def test_a_looser_bar_never_rejects_more(changed: dict[str, float], bar: float):
    scores = GOOD | changed
    if judge(scores, TrackConfig(max_second_person_share=bar)) is None:
        assert judge(scores, TrackConfig(max_second_person_share=1.0)) is None


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


class Clip(Frames):
    """The first two seconds of a file, 480 px on the shorter side."""

    def __init__(self, path: Path) -> None:
        self._pictures = []
        with av.open(str(path)) as container:
            container.streams.video[0].thread_count = 1
            for frame in islice(container.decode(video=0), 60):
                scale = 480 / min(frame.width, frame.height)
                size = {"width": round(frame.width * scale), "height": round(frame.height * scale)}
                self._pictures.append(frame.reformat(format="rgb24", **size).to_ndarray())
        super().__init__(len(self._pictures))
        self.height, self.width = self._pictures[0].shape[:2]

    def rgb(self, index: int) -> np.ndarray:
        return self._pictures[index]


def test_real_clips_come_out_as_they_show(shared_data: Path):
    annotator = BlazePoseTracks(SamplingConfig(min_samples=8, track_every=30))
    annotator.load("cpu")
    said = {}
    for name in ("sam2_juggle.mp4", "p2s_multi01.mp4", "intel_asl_again.mkv", "intel_bottle.mp4"):
        (person,) = annotator.annotate([Clip(shared_data / "video" / name)])
        reject = judge(person.scores, TrackConfig())
        said[name] = reject and str(reject.reason)
    assert said == {
        "sam2_juggle.mp4": None,
        "p2s_multi01.mp4": "several_people",
        "intel_asl_again.mkv": "partial_body",
        "intel_bottle.mp4": "no_person",
    }
