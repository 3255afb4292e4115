"""One thing that the person did, with its measures; and how events of the two sides or in a row become one."""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np


class Kind(StrEnum):
    """What happened. Each is measured in its own module: arms, legs, trunk, gait, travel."""

    ARM_RAISE = "arm_raise"
    ARM_LOWER = "arm_lower"
    ARM_UP_DOWN = "arm_up_down"
    REACH = "reach"
    WAVE = "wave"
    ARM_SWING = "arm_swing"
    ELBOW_BEND = "elbow_bend"
    ELBOW_STRAIGHTEN = "elbow_straighten"
    KICK = "kick"
    LEG_LIFT = "leg_lift"
    KNEE_RAISE = "knee_raise"
    FOOT_LIFT = "foot_lift"
    SQUAT = "squat"
    LUNGE = "lunge"
    CROUCH = "crouch"
    RISE = "rise"
    BEND = "bend"
    STRAIGHTEN = "straighten"
    LEAN = "lean"
    TURN = "turn"
    JUMP = "jump"
    WALK = "walk"
    RUN = "run"
    STEP = "step"
    TRAVEL = "travel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """From `start` to `end`, in seconds of the clip.

    `amount` is in the kind's own unit (body lengths, degrees, steps a second); `weight` compares events of all kinds:
    about 1 for a full arm raise. `side` is "left", "right", "both" or "". `speed` is in body lengths a second, 0 where
    it means nothing; `level` and `direction` are words of a closed list; `times` counts repetitions.
    """

    kind: Kind
    start: float
    end: float
    side: str = ""
    amount: float = 0.0
    speed: float = 0.0
    level: str = ""
    direction: str = ""
    times: int = 1
    weight: float = 1.0

    def overlap(self, other: "Event") -> float:
        """Shared seconds over the shorter event's seconds."""
        shared = min(self.end, other.end) - max(self.start, other.start)
        return max(0.0, shared) / max(min(self.end - self.start, other.end - other.start), 1e-6)


def seen(mask: np.ndarray, start: int, end: int, share: float = 0.6) -> bool:
    """Whether enough rows of a span are confident and visible."""
    return bool(mask[start : end + 1].mean() >= share)


def path_speed(points: np.ndarray, start: int, end: int, fps: float) -> float:
    """Mean speed along the path of points (N, D) between two rows, in strides of a tenth of a second: shorter ones
    would count the jitter as way."""
    stride = max(1, round(fps / 10))
    rows = np.unique(np.append(np.arange(start, end, stride), end))
    way = np.linalg.norm(np.diff(points[rows], axis=0), axis=1).sum()
    return float(way * fps / max(end - start, 1))


def merge_sides(events: list[Event]) -> list[Event]:
    """Left and right doing the same at the same time become "both"."""
    merged: list[Event] = []
    for event in sorted(events, key=lambda e: (e.start, e.kind, e.side)):
        for k, other in enumerate(merged):
            together = abs(event.start - other.start) <= 0.5 and event.overlap(other) >= 0.5
            if other.kind == event.kind and {other.side, event.side} == {"left", "right"} and together:
                merged[k] = replace(
                    other,
                    side="both",
                    end=max(other.end, event.end),
                    amount=(other.amount + event.amount) / 2,
                    speed=(other.speed + event.speed) / 2,
                    level=other.level if other.level == event.level else "",
                    direction=other.direction if other.direction == event.direction else "",
                    times=min(other.times, event.times),
                    weight=1.2 * max(other.weight, event.weight),
                )
                break
        else:
            merged.append(event)
    return merged


def merge_repeats(events: list[Event], kinds: frozenset[Kind], pause: float) -> list[Event]:
    """The same event again on the same side, at most `pause` seconds later, counts as one more time."""
    merged: list[Event] = []
    for event in sorted(events, key=lambda e: (e.start, e.kind, e.side)):
        for k, other in enumerate(merged):
            same = (other.kind, other.side, other.direction) == (event.kind, event.side, event.direction)
            if event.kind in kinds and same and event.start - other.end <= pause:
                merged[k] = replace(
                    other,
                    end=event.end,
                    times=other.times + event.times,
                    level=other.level if other.level == event.level else "",
                    speed=(other.speed + event.speed) / 2,
                    amount=max(other.amount, event.amount),
                    weight=max(other.weight, event.weight) + 0.15,
                )
                break
        else:
            merged.append(event)
    return merged
