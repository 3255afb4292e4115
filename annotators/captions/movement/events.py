"""Events of a motion with their measures; merging of simultaneous and of repeated events."""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np


class Kind(StrEnum):
    """The kind of an event. Each is measured in one of the modules arms, legs, trunk, gait."""

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
    """Something the person does from `start` to `end`, in seconds of the clip.

    `amount` is in the kind's own unit (body lengths, degrees, steps a second); `weight` compares events of all kinds:
    about 1 for a full arm raise. `side` is "left", "right", "both" or "". `speed` is in body lengths a second, 0 where
    undefined; `level` and `direction` are words of a closed list; `times` counts repetitions.
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

    def compute_overlap(self, other: "Event") -> float:
        """Return the shared seconds over the shorter event's seconds."""
        shared = min(self.end, other.end) - max(self.start, other.start)
        return max(0.0, shared) / max(min(self.end - self.start, other.end - other.start), 1e-6)


def is_visible(mask: np.ndarray, start: int, end: int, share: float = 0.6) -> bool:
    """Return whether enough rows of a span are confident and visible."""
    return bool(mask[start : end + 1].mean() >= share)


def measure_path_speed(points: np.ndarray, start: int, end: int, fps: float) -> float:
    """Measure the mean speed along the path of points (N, D) between two rows, in strides of a tenth of a second:
    shorter ones would add jitter to the path length."""
    stride = max(1, round(fps / 10))
    rows = np.unique(np.append(np.arange(start, end, stride), end))
    length = np.linalg.norm(np.diff(points[rows], axis=0), axis=1).sum()
    return float(length * fps / max(end - start, 1))


def merge_sides(events: list[Event]) -> list[Event]:
    """Merge simultaneous equal events of left and right into one of side "both"."""
    merged: list[Event] = []
    for event in sorted(events, key=lambda e: (e.start, e.kind, e.side)):
        for k, other in enumerate(merged):
            together = abs(event.start - other.start) <= 0.5 and event.compute_overlap(other) >= 0.5
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
    """Merge repetitions of an event on the same side, at most `pause` seconds apart, and count them."""
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
