"""One main person: whether a clip shows exactly one whole body, large enough, and where it is.

`measure` looks (and costs), `judge` only compares; so a threshold can be changed without looking again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from pydantic import Field

from annotators.ultralytics.config import UltralyticsConfig
from humove.bars import stage_bars
from humove.config import Strict
from humove.reasons import Reason
from humove.stage import Reject
from humove.types import PersonTrack


class SamplingConfig(Strict):
    """How a clip is looked at. A change here means to look again."""

    samples_per_second: float = Field(
        2.0, gt=0, description="frames a second of the clip on which everyone in the picture is searched"
    )
    min_samples: int = Field(12, ge=1, description="at least so many frames, however short the clip")
    max_samples: int = Field(24, ge=1, description="at most so many frames, however long the clip")
    track_every: int = Field(5, ge=1, description="the main person's box is measured on every so many frames")
    repaints: int = Field(
        3, ge=0, description="how often the people found are painted over and the rest of the frame searched again"
    )
    max_disagreement: float = Field(
        0.03,
        gt=0,
        description="a find is a person only if its torso in the mirrored picture lies this near to its torso in the "
        "straight one, as a share of the square looked at; people show about 0.005",
    )
    second_person_area_ratio: float = Field(
        0.3, gt=0, le=1, description="someone else counts from this share of the main person's box area on"
    )


class TrackConfig(Strict):
    """The rule of one main person."""

    annotator: str = Field("blazepose", description="which annotator finds the people (`tracks.` in the registry)")
    sampling: SamplingConfig = SamplingConfig()
    ultralytics: UltralyticsConfig = UltralyticsConfig()
    min_person_share: float = Field(
        0.6, ge=0, le=1, description="at least this share of the frames looked at must show a person"
    )
    max_second_person_share: float = Field(
        0.15, ge=0, le=1, description="at most this share of the frames that show anyone may show a second large person"
    )
    min_leg_visibility: float = Field(
        0.55,
        ge=0,
        le=1,
        description="how visible knees and ankles must be, 0 to 1, half of the time; a person cut at the shins has 0.5;"
        " annotators without keypoints don't measure it, and the bar holds nothing against their clips",
    )
    min_person_height: float = Field(
        0.2, ge=0, le=1, description="the body's longer side over the frame's height, half of the time"
    )
    min_track_share: float = Field(
        0.5, ge=0, le=1, description="the main person must be followed over at least this share of the frames looked at"
    )


BARS = stage_bars(
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
     "the main person can be followed over {score:.0%} of the frames", 0, 1),
    optional=("min_leg_visibility", "min_track_share"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class MainPerson:
    """What was measured of one clip; `track` is None when nobody was found."""

    track: PersonTrack | None
    scores: dict[str, float]


class Seen(Protocol):
    """One person in one frame."""

    box_xyxy: np.ndarray
    leg_visibility: float | None
    """None where the model has no keypoints."""
    presence: float
    area: float


class Finder(Protocol):
    """A model that finds people."""

    def find(self, rgb: np.ndarray, repaints: int, max_disagreement: float) -> list[Seen]:
        """Everyone in the picture, largest first."""

    def follow(self, rgb: np.ndarray, person: Seen, max_disagreement: float | None = None) -> Seen | None:
        """The same person in a picture soon after; without a limit nothing is verified."""


class Frames(Protocol):
    """What is read of `humove.video.frames.ClipFrames`."""

    fps: float
    height: int

    def __len__(self) -> int: ...

    def rgb(self, index: int) -> np.ndarray: ...


def measure(frames: Frames, finder: Finder, sampling: SamplingConfig) -> MainPerson:
    """Searches everyone on frames spread evenly over the clip, and follows the largest in between.

    Scores: person_share (of the frames searched); second_person_share (of those that show someone); leg_visibility,
    person_height, person_px (medians over those that show someone, 0 when none does); track_share (of the frames
    followed).
    """
    count = len(frames)
    searched = sample_frames(count, float(frames.fps), sampling)
    followed = sorted({*searched, *range(0, count, sampling.track_every), count - 1})
    limit = sampling.max_disagreement
    track: list[tuple[int, Seen]] = []
    people_on: list[list[Seen]] = []
    main: Seen | None = None
    for index in followed:
        rgb = frames.rgb(index)
        if index in searched:
            people = finder.find(rgb, sampling.repaints, limit)
            if not people and main:
                people = [again for again in [finder.follow(rgb, main, limit)] if again]
            people_on.append(people)
            main = people[0] if people else None
        else:
            main = finder.follow(rgb, main) if main else None
            if main is None:
                main = next(iter(finder.find(rgb, 0, limit)), None)
        if main:
            track.append((index, main))
    scores = presence_scores(people_on, frames.height, sampling.second_person_area_ratio)
    scores["track_share"] = len(track) / len(followed)
    return MainPerson(track=person_track(track) if track else None, scores=scores)


def sample_frames(count: int, fps: float, sampling: SamplingConfig) -> tuple[int, ...]:
    """The frames to search, in the middle of equal parts of the clip, ascending."""
    wanted = round(count / fps * sampling.samples_per_second)
    wanted = min(count, max(sampling.min_samples, min(sampling.max_samples, wanted)))
    return tuple(int((k + 0.5) * count / wanted) for k in range(wanted))


def judge(scores: Mapping[str, float], config: TrackConfig) -> Reject | None:
    """The verdict on what `measure` found; None where the clip meets the bar.

    Of several bars missed the one that is missed by most is the reason, as a share of how far it could be missed; but
    where there is hardly anyone, nothing else that was measured means much.
    """
    return BARS.judge(scores, config)


def presence_scores(people_on: Sequence[Sequence[Seen]], height: int, ratio: float) -> dict[str, float]:
    """The scores of `measure` but for track_share, from the people on each frame searched, the main person first.

    `height` is the frame's, px; the second one counts from the share `ratio` of the main person's area on. Where the
    model has no keypoints there is no leg_visibility.
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


def person_track(track: Sequence[tuple[int, Seen]]) -> PersonTrack:
    """The boxes of (frame, person), ascending."""
    return PersonTrack(
        frames=np.array([index for index, _ in track], dtype=np.int64),
        boxes_xyxy=np.array([person.box_xyxy for _, person in track], dtype=np.float32),
        scores=np.array([person.presence for _, person in track], dtype=np.float32),
    )
