"""Selection of the main person: the tracked person with the largest sum of box areas over all frames."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotators.main_person import MainPerson, compute_presence_scores, make_person_track
from annotators.ultralytics.detector import Detections


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrackedPerson:
    """A person on one frame."""

    box_xyxy: np.ndarray
    presence: float
    leg_visibility: float | None
    person_id: int | None
    """None if the tracker does not track this person."""

    @property
    def area(self) -> float:
        """Area of the box, px^2."""
        return float((self.box_xyxy[2:] - self.box_xyxy[:2]).prod(dtype=np.float64))


def list_people(detections: Detections, ids: dict[int, int], min_confidence: float) -> list[TrackedPerson]:
    """List the people on one frame, largest first: confident detections, and others that the tracker knows."""
    people = [
        TrackedPerson(
            box_xyxy=detections.boxes_xyxy[row],
            presence=float(detections.scores[row]),
            leg_visibility=None if detections.legs is None else float(detections.legs[row]),
            person_id=ids.get(row),
        )
        for row in range(len(detections.scores))
        if row in ids or detections.scores[row] >= min_confidence
    ]
    return sorted(people, key=lambda person: -person.area)


def select_main_person(
    frames: Sequence[int], people_on: Sequence[list[TrackedPerson]], height: int, ratio: float
) -> MainPerson:
    """Select the main person of a clip: the id with the largest sum of areas, the first of equal ones.

    So both size and persistence count, and the track ends if the person gets a new id. `people_on` are the people on
    each of `frames`, largest first; `height` is the frame's, px; another person counts from the share `ratio` of the
    main person's area. Scores as in `annotators.main_person.measure_main_person`, with the main person in place of the
    largest one on frames that show both.
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
    scores = compute_presence_scores(ranked, height, ratio)
    scores["track_share"] = len(track) / len(frames)
    return MainPerson(track=make_person_track(track) if track else None, scores=scores)
