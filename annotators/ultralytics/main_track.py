"""Who of the people followed through a clip is the main person: the one whose box covers most over all frames."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotators.main_person import MainPerson, person_track, presence_scores
from annotators.ultralytics.detector import Finds


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Followed:
    """One person on one frame."""

    box_xyxy: np.ndarray
    presence: float
    leg_visibility: float | None
    person_id: int | None
    """None for someone seen whom the tracker has not taken up."""

    @property
    def area(self) -> float:
        """Of the box, px^2."""
        return float((self.box_xyxy[2:] - self.box_xyxy[:2]).prod(dtype=np.float64))


def followed(finds: Finds, ids: dict[int, int], min_confidence: float) -> list[Followed]:
    """The people on one frame, largest first: the sure finds, and those faint ones that the tracker knows."""
    people = [
        Followed(
            box_xyxy=finds.boxes_xyxy[row],
            presence=float(finds.scores[row]),
            leg_visibility=None if finds.legs is None else float(finds.legs[row]),
            person_id=ids.get(row),
        )
        for row in range(len(finds.scores))
        if row in ids or finds.scores[row] >= min_confidence
    ]
    return sorted(people, key=lambda person: -person.area)


def main_person(frames: Sequence[int], people_on: Sequence[list[Followed]], height: int, ratio: float) -> MainPerson:
    """The main person of a clip: one id, that with the largest sum of areas; the first seen of equal ones.

    So both size and persistence count, and where the tracker gives somebody a new id the track ends. `people_on` are
    the people on each of `frames`, largest first; `height` is the frame's, px; someone else counts from the share
    `ratio` of the main person's area on. Scores as `annotators.main_person.measure` has them, with the main person in
    the place of the largest one wherever both are seen.
    """
    covered: dict[int, float] = defaultdict(float)
    for people in people_on:
        for person in people:
            if person.person_id is not None:
                covered[person.person_id] += person.area
    main = max(covered, key=lambda person_id: (covered[person_id], -person_id), default=None)
    ranked = [sorted(people, key=lambda person: person.person_id != main) for people in people_on]
    if main is None:
        track = []
    else:
        track = [(f, p[0]) for f, p in zip(frames, ranked, strict=True) if p and p[0].person_id == main]
    scores = presence_scores(ranked, height, ratio)
    scores["track_share"] = len(track) / len(frames)
    return MainPerson(track=person_track(track) if track else None, scores=scores)
