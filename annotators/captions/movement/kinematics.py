"""Facts measured from a motion: the input of the built-in captions and hints for other captioners."""

from dataclasses import dataclass

import numpy as np

from annotators.captions.config import CaptionConfig
from annotators.captions.movement import arms, gait, legs, trunk
from annotators.captions.movement.events import Event, Kind, merge_repeats, merge_sides
from annotators.captions.movement.signals import SIDES, BodySignals, measure_signals
from humove.types import Pose2D, SmplMotion

STILL_SPEED = 0.25
"""Body lengths a second: hands and feet of a person at rest stay below it for nine tenths of the time."""
ACTIVE = 0.07
"""Least spread (5 to 95 %) of a moving hand or foot relative to its root, in body lengths."""
SWAY = 12.0
"""Largest spread (5 to 95 %) of the lean of a trunk at rest, degrees."""
LEAST_MEASURED = 0.25
"""Least share of confident frames for any statement about the motion."""
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
    """"camera", "away", "left", "right" (of the frame), or "" where it changes or is unclear."""
    still: bool
    upright: bool
    """Standing: legs visible and nearly straight, the trunk near the vertical, for most of the time."""
    low: bool
    """Both knees well bent for most of the time, as in a crouch or on a seat."""
    active: tuple[str, ...]
    """Which of "left arm", "right arm", "left leg", "right leg" move at all."""
    events: tuple[Event, ...]
    """In order of time."""


def measure_facts(
    motion: SmplMotion,
    pose2d: Pose2D,
    fps: float,
    *,
    camera_moving: bool | None = None,
    config: CaptionConfig = CaptionConfig(),  # noqa: B008 - frozen
) -> KinematicFacts:
    """Measure one clip. `camera_moving` None: unknown; then there is no travel and no "in place"."""
    s = measure_signals(motion, pose2d, fps, config.min_confidence, config.min_visibility)
    share = float(s.good.mean())
    if share < LEAST_MEASURED or len(s) < 3:
        return KinematicFacts(
            duration_s=len(s) / fps, measured=share, facing="", still=False, upright=False, low=False, active=(),
            events=(),
        )  # fmt: skip
    events = _find_events(s, camera_moving)
    speeds = s.limb_speed[s.good]
    legs_visible = s.legs_visible.all(1)
    stretch, lean = s.leg_stretch[legs_visible], np.hypot(s.lean_forward, s.lean_left)[s.good]
    active = _find_active_limbs(s)
    leans = np.stack([s.lean_forward, s.lean_left], 1)[s.good]
    sway = float(np.ptp(np.quantile(leans, [0.05, 0.95], axis=0), axis=0).max())
    known = legs_visible.mean() >= 0.5
    return KinematicFacts(
        duration_s=len(s) / fps,
        measured=share,
        facing="" if any(e.kind is Kind.TURN for e in events) else _name_facing(s.yaw[s.good]),
        still=not events and not active and sway < SWAY and float(np.quantile(speeds, 0.9)) < STILL_SPEED,
        upright=bool(known and np.median(stretch.min(1)) > 0.9 and np.median(lean) < 25),
        low=bool(known and np.median(stretch.max(1)) < 0.8),
        active=active,
        events=tuple(events),
    )


def _find_events(s: BodySignals, camera_moving: bool | None) -> list[Event]:
    travels = trunk.find_travel(s, camera_moving)
    steps = gait.locate_steps(gait.find_steps(s, travels), camera_moving, travels, s)
    taken = [t for t in travels if any(t.compute_overlap(e) > 0.3 for e in steps)]
    moved = [t for t in travels if t not in taken][:2]
    limbs = merge_sides(arms.find_arm_events(s))
    limbs = [e for e in arms.merge_raises_and_lowers(limbs) if not _is_part_of_gait(e, steps)]
    body = [e for e in trunk.find_trunk_events(s) if not _is_part_of_gait(e, steps)]
    lower = legs.find_leg_events(s, steps, camera_moving)
    squats = [e for e in lower if e.kind in (Kind.SQUAT, Kind.LUNGE, Kind.CROUCH, Kind.RISE)]
    bends = (Kind.BEND, Kind.STRAIGHTEN)
    body = [e for e in body if e.kind not in bends or not any(e.compute_overlap(q) > 0.5 for q in squats)]
    events = merge_repeats(steps + moved + limbs + body + lower, _REPEATING, 1.2)
    return sorted(events, key=lambda e: (e.start, e.kind, e.side))


def _is_part_of_gait(event: Event, steps: list[Event]) -> bool:
    """Return whether an event is a small movement that accompanies every step."""
    during = any(event.compute_overlap(g) > 0.5 for g in steps)
    small_turn = event.kind is Kind.TURN and event.amount < 75
    small_raise = event.kind in (Kind.ARM_RAISE, Kind.ARM_UP_DOWN) and event.level in ("", "to chest height")
    return during and (event.kind in _LOST_IN_GAIT or small_turn or small_raise)


def _name_facing(yaw: np.ndarray) -> str:
    turn = np.exp(1j * np.radians(yaw))
    mean = turn.mean()
    if abs(mean) < 0.85:
        return ""
    degrees = float(np.degrees(np.angle(mean)))
    for middle, word in ((0.0, "camera"), (90.0, "right"), (180.0, "away"), (-90.0, "left")):
        if abs((degrees - middle + 180) % 360 - 180) <= 35:
            return word
    return ""


def _find_active_limbs(s: BodySignals) -> tuple[str, ...]:
    names = []
    for limb, visible, axes in (
        ("arm", s.arms_visible, (s.hand_up, s.hand_forward, s.hand_out)),
        ("leg", s.legs_visible, (s.foot_up, s.foot_forward, s.foot_out)),
    ):
        for k, side in enumerate(SIDES):
            rows = visible[:, k]
            if rows.mean() >= 0.25:
                low, high = np.quantile(np.stack([a[rows, k] for a in axes], 1), [0.05, 0.95], axis=0)
                if float((high - low).max()) >= ACTIVE:
                    names.append(f"{side} {limb}")
    return tuple(names)
