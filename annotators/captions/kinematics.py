"""What a motion shows, as facts: the ground for the built-in captions and measured hints for any other captioner."""

from dataclasses import dataclass

import numpy as np

from annotators.captions import arms, gait, legs, trunk
from annotators.captions.config import CaptionConfig
from annotators.captions.events import Event, Kind, merge_repeats, merge_sides
from annotators.captions.signals import SIDES, BodySignals, measure
from humove.types import Pose2D, SmplMotion

STILL_SPEED = 0.25
"""Body lengths a second which hands and feet stay under for nine tenths of the time when the person keeps still."""
ACTIVE = 0.07
"""Body lengths of spread (5 to 95 %) of a hand or foot about its own root, from which that limb moves."""
SWAY = 12.0
"""Degrees of spread (5 to 95 %) of the trunk's lean up to which it keeps still."""
LEAST_MEASURED = 0.25
"""Share of confident frames under which nothing is said of the motion."""
GAITS = frozenset({Kind.WALK, Kind.RUN, Kind.STEP})
_REPEATING = frozenset({Kind.JUMP, Kind.SQUAT, Kind.LUNGE, Kind.KICK, Kind.KNEE_RAISE, Kind.LEG_LIFT, Kind.FOOT_LIFT})
_LOST_IN_GAIT = frozenset({Kind.ELBOW_BEND, Kind.ELBOW_STRAIGHTEN, Kind.REACH, Kind.LEAN, Kind.ARM_LOWER})


@dataclass(frozen=True, slots=True, kw_only=True)
class KinematicFacts:
    """Measured statements about one clip."""

    duration_s: float
    measured: float
    """Share of frames with a confident motion."""
    facing: str
    """"camera", "away", "left", "right" (of the picture), or "" where it changes or can't be told."""
    still: bool
    upright: bool
    """Standing: legs seen and nearly straight, the trunk near the vertical, for most of the time."""
    low: bool
    """Both knees well bent for most of the time, as in a crouch or on a seat."""
    active: tuple[str, ...]
    """Which of "left arm", "right arm", "left leg", "right leg" move at all."""
    events: tuple[Event, ...]
    """In order of time."""

    def of(self, *kinds: Kind) -> tuple[Event, ...]:
        """The events of these kinds."""
        return tuple(e for e in self.events if e.kind in kinds)


def facts(
    motion: SmplMotion,
    pose2d: Pose2D,
    fps: float,
    *,
    camera_moving: bool | None = None,
    config: CaptionConfig = CaptionConfig(),  # noqa: B008 - frozen
) -> KinematicFacts:
    """Measures one clip. `camera_moving` None: not known, then no travel and no "in place" is told."""
    s = measure(motion, pose2d, fps, config.min_confidence, config.min_visibility)
    share = float(s.good.mean())
    if share < LEAST_MEASURED or len(s) < 3:
        return KinematicFacts(
            duration_s=len(s) / fps, measured=share, facing="", still=False, upright=False, low=False, active=(),
            events=(),
        )  # fmt: skip
    events = _events(s, camera_moving)
    speeds = s.limb_speed[s.good]
    legs_seen = s.legs_seen.all(1)
    stretch, lean = s.leg_stretch[legs_seen], np.hypot(s.lean_forward, s.lean_left)[s.good]
    active = _active(s)
    leans = np.stack([s.lean_forward, s.lean_left], 1)[s.good]
    swayed = float(np.ptp(np.quantile(leans, [0.05, 0.95], axis=0), axis=0).max())
    known = legs_seen.mean() >= 0.5
    return KinematicFacts(
        duration_s=len(s) / fps,
        measured=share,
        facing="" if any(e.kind is Kind.TURN for e in events) else _facing(s.yaw[s.good]),
        still=not events and not active and swayed < SWAY and float(np.quantile(speeds, 0.9)) < STILL_SPEED,
        upright=bool(known and np.median(stretch.min(1)) > 0.9 and np.median(lean) < 25),
        low=bool(known and np.median(stretch.max(1)) < 0.8),
        active=active,
        events=tuple(events),
    )


def _events(s: BodySignals, camera_moving: bool | None) -> list[Event]:
    travels = trunk.travel(s, camera_moving)
    steps = gait.settle(gait.find(s, travels), camera_moving, travels, s)
    taken = [t for t in travels if any(t.overlap(e) > 0.3 for e in steps)]
    moved = [t for t in travels if t not in taken][:2]
    limbs = merge_sides(arms.find(s))
    limbs = [e for e in arms.up_and_down(limbs) if not _lost(e, steps)]
    body = [e for e in trunk.find(s) if not _lost(e, steps)]
    lower = legs.find(s, steps, camera_moving)
    squats = [e for e in lower if e.kind in (Kind.SQUAT, Kind.LUNGE, Kind.CROUCH, Kind.RISE)]
    body = [e for e in body if not (e.kind in (Kind.BEND, Kind.STRAIGHTEN) and any(e.overlap(q) > 0.5 for q in squats))]
    events = merge_repeats(steps + moved + limbs + body + lower, _REPEATING, 1.2)
    return sorted(events, key=lambda e: (e.start, e.kind, e.side))


def _lost(event: Event, steps: list[Event]) -> bool:
    """Small movements that come with every step are no events of their own."""
    during = any(event.overlap(g) > 0.5 for g in steps)
    small_turn = event.kind is Kind.TURN and event.amount < 75
    small_raise = event.kind in (Kind.ARM_RAISE, Kind.ARM_UP_DOWN) and event.level in ("", "to chest height")
    return during and (event.kind in _LOST_IN_GAIT or small_turn or small_raise)


def _facing(yaw: np.ndarray) -> str:
    turn = np.exp(1j * np.radians(yaw))
    mean = turn.mean()
    if abs(mean) < 0.85:
        return ""
    degrees = float(np.degrees(np.angle(mean)))
    for middle, word in ((0.0, "camera"), (90.0, "right"), (180.0, "away"), (-90.0, "left")):
        if abs((degrees - middle + 180) % 360 - 180) <= 35:
            return word
    return ""


def _active(s: BodySignals) -> tuple[str, ...]:
    names = []
    for limb, seen, axes in (
        ("arm", s.arms_seen, (s.hand_up, s.hand_forward, s.hand_out)),
        ("leg", s.legs_seen, (s.foot_up, s.foot_forward, s.foot_out)),
    ):
        for k, side in enumerate(SIDES):
            rows = seen[:, k]
            if rows.mean() >= 0.25:
                low, high = np.quantile(np.stack([a[rows, k] for a in axes], 1), [0.05, 0.95], axis=0)
                if float((high - low).max()) >= ACTIVE:
                    names.append(f"{side} {limb}")
    return tuple(names)
