"""Walking and running, from the alternation of the legs: valid on a treadmill and with a camera that pans along."""

from dataclasses import replace

import numpy as np

from annotators.captions.movement.events import Event, Kind, is_visible
from annotators.captions.movement.moves import find_turning_points
from annotators.captions.movement.signals import BodySignals

SWING = 22.0
"""Least swing of the angle between the thighs in a step, degrees ..."""
EACH_WAY, EVEN_WAYS = 10.0, 0.35
"""... least swing to either side, and least ratio of the smaller to the larger side: a leg that is lifted repeatedly,
as in playing a ball, swings to one side only."""
KNEE_SWING, KNEE_EACH_WAY = 20.0, 8.0
"""The same for the difference of the knees' bends."""
STEP_S = (0.18, 1.8)
LEAST_STEPS, LEAST_IN_PLACE = 3, 5
RUN_CADENCE, RUN_KNEE = 2.25, 78.0
"""Running: least steps a second and least flexion of the swinging knee, degrees; walking stays below both."""
SLOW_KNEE = 95.0
"""Knees bent this far behind the body, at a cadence below WALK_CADENCE, are a run in slow motion."""
WALK_CADENCE = 1.2
UNEVEN = 0.45
"""Steps whose durations vary more than this (deviation over mean) are steps, not a walk."""


def find_steps(s: BodySignals, travels: list[Event]) -> list[Event]:
    """Find spans of stepping; `amount` is the steps a second, `times` their number.

    Steps are found by the swing of the thighs. It is barely visible when walking straight towards a camera or away from
    it; there the alternating flexion of the knees counts too, but only while the person travels.
    """
    thighs = _find_alternations(s, s.thigh_pitch[:, 0] - s.thigh_pitch[:, 1], SWING, EACH_WAY)
    steps = [_make_event(s, run) for run in thighs]
    bends = _find_alternations(s, s.knee[:, 0] - s.knee[:, 1], KNEE_SWING, KNEE_EACH_WAY)
    knees = [_make_event(s, run) for run in bends]
    walked = [e for e in knees if any(t.compute_overlap(e) > 0.6 for t in travels)]
    return steps + [e for e in walked if not any(e.compute_overlap(other) > 0 for other in steps)]


def _find_alternations(s: BodySignals, difference: np.ndarray, swing: float, each_way: float) -> list[list[int]]:
    """Return the rows of the turning points of each unbroken alternation of left and right."""
    both_visible = s.legs_visible.all(1)
    points = find_turning_points(difference, swing)
    runs: list[list[int]] = [[]]
    for a, b in zip(points, points[1:], strict=False):
        ways = sorted((abs(difference[a]), abs(difference[b])))
        crosses = difference[a] * difference[b] < 0 and ways[0] >= max(each_way, EVEN_WAYS * ways[1])
        fits = STEP_S[0] <= (b - a) / s.fps <= STEP_S[1]
        if crosses and fits and is_visible(both_visible, a, b, 0.5):
            runs[-1] = [*(runs[-1] or [a]), b]
        else:
            runs.append([])
    return [run for run in runs if len(run) - 1 >= LEAST_STEPS]


def locate_steps(events: list[Event], camera_moving: bool | None, travels: list[Event], s: BodySignals) -> list[Event]:
    """Add the spans' directions; drop spans of few steps without travel under a still camera."""
    placed = [_locate_event(event, camera_moving, travels, s) for event in events]
    return [e for e in placed if e.direction != "in place" or e.times >= LEAST_IN_PLACE]


def _make_event(s: BodySignals, run: list[int]) -> Event:
    durations = np.diff(run) / s.fps
    cadence = float(1 / durations.mean())
    knee = float(np.quantile(s.knee[run[0] : run[-1] + 1].max(1), 0.9))
    uneven = float(durations.std() / durations.mean())
    slow_motion = cadence < WALK_CADENCE and knee >= SLOW_KNEE and _are_heels_behind(s, run)
    if slow_motion or (cadence >= RUN_CADENCE and knee >= RUN_KNEE):
        kind = Kind.RUN
    elif WALK_CADENCE <= cadence < 2.8 and uneven <= UNEVEN:
        kind = Kind.WALK
    else:
        kind = Kind.STEP
    thigh = float(np.quantile(s.thigh_pitch[run[0] : run[-1] + 1].max(1), 0.9))
    return Event(
        kind=kind, start=run[0] / s.fps, end=run[-1] / s.fps, amount=cadence, times=len(run) - 1,
        level="in slow motion" if slow_motion else "lifting the knees high" if thigh >= 62 else "", weight=2.0,
    )  # fmt: skip


def _are_heels_behind(s: BodySignals, run: list[int]) -> bool:
    """Return whether both feet are behind their hips when their knees are bent the most."""
    span = slice(run[0], run[-1] + 1)
    knees, feet = s.knee[span], s.foot_forward[span]
    return all(knees[:, k].max() >= RUN_KNEE and feet[knees[:, k].argmax(), k] < -0.05 for k in (0, 1))


def _locate_event(event: Event, camera_moving: bool | None, travels: list[Event], s: BodySignals) -> Event:
    """Add the direction of the steps: "in place" only without travel under a still camera."""
    if camera_moving is not False:
        return event
    along = [t for t in travels if t.compute_overlap(event) > 0.3]
    if along:
        way = along[0].level if along[0].level in ("backwards", "sideways") else ""
        return replace(event, direction=f"{way}, {along[0].direction}" if way else along[0].direction)
    a, b = round(event.start * s.fps), round(event.end * s.fps)
    here = s.pelvis[a : b + 1]
    across, depth = np.ptp(here[:, 0]), np.ptp(here[:, 2])
    return replace(event, direction="in place") if across < 0.3 and depth < 0.5 else event
