"""The main person: whether a clip shows exactly one whole body, large enough, and where it is.

`measure_main_person` runs the models, `judge_main_person` only compares scores: a threshold can change without a new
measurement.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from pydantic import Field

from annotators.ultralytics.config import UltralyticsConfig
from humove.config.strict import Strict
from humove.config.thresholds import make_stage_thresholds
from humove.reasons import Reason
from humove.stage import Reject
from humove.types import PersonTrack
from humove.video.frames import Frames


class SamplingConfig(Strict):
    """How a clip is sampled. A change here requires a new measurement."""

    samples_per_second: float = Field(
        2.0, gt=0, description="frames per second of the clip on which all people are detected"
    )
    min_samples: int = Field(12, ge=1, description="least number of such frames")
    max_samples: int = Field(24, ge=1, description="largest number of such frames")
    track_every: int = Field(5, ge=1, description="the main person's box is measured on every Nth frame")
    repaints: int = Field(
        3,
        ge=0,
        description="how many times the people found are painted over and the rest of the frame is searched again",
    )
    max_disagreement: float = Field(
        0.03,
        gt=0,
        description="a detection is a person only if its torsos in the mirrored and the plain crop are this close, as "
        "a share of the crop's side; about 0.005 on people",
    )
    second_person_area_ratio: float = Field(
        0.3, gt=0, le=1, description="another person counts from this share of the main person's box area"
    )


class TrackConfig(Strict):
    """Thresholds on the main person."""

    annotator: str = Field(
        "blazepose", description="the annotator that detects and tracks people (`tracks.` in the registry)"
    )
    sampling: SamplingConfig = SamplingConfig()
    ultralytics: UltralyticsConfig = UltralyticsConfig()
    min_person_share: float = Field(
        0.6, ge=0, le=1, description="at least this share of the sampled frames must show a person"
    )
    max_second_person_share: float = Field(
        0.15, ge=0, le=1, description="at most this share of the frames with people may show a second large person"
    )
    min_leg_visibility: float = Field(
        0.55,
        ge=0,
        le=1,
        description="least median visibility of knees and ankles, 0 to 1; a person cut at the shins has 0.5; "
        "annotators without keypoints don't measure it, and their clips are not rejected for it",
    )
    min_person_height: float = Field(
        0.2, ge=0, le=1, description="least median of the body's longer side over the frame's height"
    )
    min_track_share: float = Field(
        0.5, ge=0, le=1, description="the main person must be tracked over at least this share of the sampled frames"
    )


THRESHOLDS = make_stage_thresholds(
    "track",
    "worst",
    TrackConfig,
    ("min_person_share", "person_share", Reason.NO_PERSON, "a person on {score:.0%} of the frames", 0, 1),
    ("max_second_person_share", "second_person_share", Reason.SEVERAL_PEOPLE,
     "a second large person on {score:.0%} of the frames", 0, 1),
    ("min_leg_visibility", "leg_visibility", Reason.PARTIAL_BODY, "legs visible to {score:.2f}", 0, 1),
    ("min_person_height", "person_height", Reason.PERSON_TOO_SMALL,
     "the body fills {score:.0%} of the frame's height", 0, 1),
    ("min_track_share", "track_share", Reason.TRACK_LOST,
     "the main person can be tracked over {score:.0%} of the frames", 0, 1),
    optional=("min_leg_visibility", "min_track_share"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class MainPerson:
    """Track and scores of a clip; `track` is None if nobody was found."""

    track: PersonTrack | None
    scores: dict[str, float]


class Person(Protocol):
    """A person detected in one frame."""

    box_xyxy: np.ndarray
    leg_visibility: float | None
    """None if the model has no keypoints."""
    presence: float
    area: float


class PersonDetector(Protocol):
    """A model that detects people."""

    def detect(self, rgb: np.ndarray, repaints: int, max_disagreement: float) -> list[Person]:
        """Detect all people in the frame, largest first."""

    def track(self, rgb: np.ndarray, person: Person, max_disagreement: float | None = None) -> Person | None:
        """Find the same person in a frame soon after; without a limit nothing is verified."""


def measure_main_person(frames: Frames, detector: PersonDetector, sampling: SamplingConfig) -> MainPerson:
    """Detect all people on frames spread evenly over the clip, and track the largest one in between.

    Scores: person_share (of the frames with detection); second_person_share (of those with people); leg_visibility,
    person_height, person_px (medians over those with people, 0 if there are none); track_share (of the frames
    tracked).
    """
    count = len(frames)
    detected_on = sample_frames(count, float(frames.fps), sampling)
    tracked_on = sorted({*detected_on, *range(0, count, sampling.track_every), count - 1})
    limit = sampling.max_disagreement
    track: list[tuple[int, Person]] = []
    people_on: list[list[Person]] = []
    main: Person | None = None
    for index in tracked_on:
        rgb = frames.read_rgb(index)
        if index in detected_on:
            people = detector.detect(rgb, sampling.repaints, limit)
            if not people and main:
                people = [tracked for tracked in [detector.track(rgb, main, limit)] if tracked]
            people_on.append(people)
            main = people[0] if people else None
        else:
            main = detector.track(rgb, main) if main else None
            if main is None:
                main = next(iter(detector.detect(rgb, 0, limit)), None)
        if main:
            track.append((index, main))
    scores = compute_presence_scores(people_on, frames.height, sampling.second_person_area_ratio)
    scores["track_share"] = len(track) / len(tracked_on)
    return MainPerson(track=make_person_track(track) if track else None, scores=scores)


def sample_frames(count: int, fps: float, sampling: SamplingConfig) -> tuple[int, ...]:
    """Select the frames for detection, in the middle of equal parts of the clip, ascending."""
    wanted = round(count / fps * sampling.samples_per_second)
    wanted = min(count, max(sampling.min_samples, min(sampling.max_samples, wanted)))
    return tuple(int((k + 0.5) * count / wanted) for k in range(wanted))


def judge_main_person(scores: Mapping[str, float], config: TrackConfig) -> Reject | None:
    """Judge the scores of `measure_main_person`; None if the clip meets the thresholds.

    Of several thresholds missed the one with the largest shortfall gives the reason, but too few frames
    with a person come first: the other scores mean little there.
    """
    return THRESHOLDS.judge(scores, config)


def compute_presence_scores(people_on: Sequence[Sequence[Person]], height: int, ratio: float) -> dict[str, float]:
    """Compute the scores but track_share from the people on each frame with detection, the main person first.

    `height` is the frame's, px; a second person counts from the share `ratio` of the main person's area. Models
    without keypoints give no leg_visibility.
    """
    mains = [people[0] for people in people_on if people]
    crowded = sum(len(people) > 1 and people[1].area >= ratio * people[0].area for people in people_on)
    sides = [float((person.box_xyxy[2:] - person.box_xyxy[:2]).max()) for person in mains]
    side = float(np.median(sides)) if sides else 0.0
    legs = [person.leg_visibility for person in mains if person.leg_visibility is not None]
    measured = {"leg_visibility": float(np.median(legs)) if legs else 0.0} if legs or not mains else {}
    return {
        "person_share": len(mains) / len(people_on),
        "second_person_share": crowded / len(mains) if mains else 0.0,
        **measured,
        "person_height": side / height,
        "person_px": side,
    }


def make_person_track(track: Sequence[tuple[int, Person]]) -> PersonTrack:
    """Make the track of (frame, person), ascending."""
    return PersonTrack(
        frames=np.array([index for index, _ in track], dtype=np.int64),
        boxes_xyxy=np.array([person.box_xyxy for _, person in track], dtype=np.float32),
        scores=np.array([person.presence for _, person in track], dtype=np.float32),
    )
