"""Events of the trunk: bends, leans, turns; and travel of the whole person."""

import numpy as np

from annotators.captions.movement.events import Event, Kind, is_visible
from annotators.captions.movement.moves import find_moves
from annotators.captions.movement.signals import BodySignals

BEND = 32.0
BENT = 38.0
LEAN = 20.0
TURN = 60.0
FASTEST_TURN = 900.0
"""Degrees a second: a faster change of heading is a tracking error that swaps front and back."""
TRAVEL = 0.5
"""Least travel across the frame, body lengths."""
TRAVEL_DEPTH = 1.2
"""Least travel to or from the camera, body lengths: more, since one camera measures depth poorly."""


def find_trunk_events(s: BodySignals) -> list[Event]:
    """Find bends, leans and turns."""
    return _find_bends(s) + _find_leans(s) + _find_turns(s)


def _find_bends(s: BodySignals) -> list[Event]:
    events = []
    for move in find_moves(s.lean_forward, BEND):
        down = move.change > 0
        bent = move.after if down else move.before
        if bent < BENT or not is_visible(s.good, move.start, move.end):
            continue
        speed = abs(move.change) / 180 * s.fps / (move.end - move.start)
        times = {"start": move.start / s.fps, "end": move.end / s.fps}
        kind = Kind.BEND if down else Kind.STRAIGHTEN
        events.append(Event(kind=kind, **times, amount=abs(move.change), speed=speed, weight=0.9 if down else 0.4))
    return events


def _find_leans(s: BodySignals) -> list[Event]:
    events = []
    for move in find_moves(s.lean_left, LEAN):
        if abs(move.after) < 18 or abs(move.after) < abs(move.before) or not is_visible(s.good, move.start, move.end):
            continue
        speed = abs(move.change) / 180 * s.fps / (move.end - move.start)
        times = {"start": move.start / s.fps, "end": move.end / s.fps}
        side = "left" if move.after > 0 else "right"
        events.append(Event(kind=Kind.LEAN, side=side, **times, amount=abs(move.after), speed=speed, weight=0.6))
    return events


def _find_turns(s: BodySignals) -> list[Event]:
    events = []
    for move in find_moves(s.yaw, TURN):
        seconds = (move.end - move.start) / s.fps
        rate = 0.8 * abs(move.change) / seconds
        if rate > FASTEST_TURN or not is_visible(s.good, move.start, move.end):
            continue
        times = {"start": move.start / s.fps, "end": move.end / s.fps}
        side = "left" if move.change > 0 else "right"
        events.append(
            Event(
                kind=Kind.TURN, side=side, **times, amount=abs(move.change), speed=rate / 180,
                weight=0.5 + abs(move.change) / 180,
            )
        )  # fmt: skip
    return events


def find_travel(s: BodySignals, camera_moving: bool | None) -> list[Event]:
    """Find travel of the pelvis under a still camera; otherwise it is indistinguishable from camera motion."""
    if camera_moving is not False or not s.good.any():
        return []
    events = []
    ways = ((0, TRAVEL, ("to the left of the picture", "to the right of the picture")),
            (2, TRAVEL_DEPTH, ("towards the camera", "away from the camera")))  # fmt: skip
    for column, least, (less, more) in ways:
        series = s.pelvis[:, column]
        if column == 2:
            depth = np.abs(series).mean()
            least = max(least, 0.2 * depth)
        for move in find_moves(series, least):
            if not is_visible(s.good, move.start, move.end):
                continue
            times = {"start": move.start / s.fps, "end": move.end / s.fps}
            speed = 0.8 * abs(move.change) * s.fps / (move.end - move.start)
            direction = more if move.change > 0 else less
            events.append(
                Event(
                    kind=Kind.TRAVEL, direction=direction, level=_name_course(s, move.start, move.end), **times,
                    amount=abs(move.change), speed=speed, weight=0.5 + 0.4 * abs(move.change),
                )
            )  # fmt: skip
    return sorted(events, key=lambda e: -e.amount)


def _name_course(s: BodySignals, start: int, end: int) -> str:
    """Name the course relative to the person: "forwards", "backwards", "sideways"; "" where the heading varies."""
    yaw = s.yaw[start : end + 1]
    if np.ptp(np.quantile(yaw, [0.1, 0.9])) > 60:
        return ""
    path = s.pelvis[end] - s.pelvis[start]
    course = np.degrees(
        np.arctan2(path[0], -path[2])
    )  # 0 to the camera, growing towards the image's right, as yaw does
    off = abs((course - float(np.median(yaw)) + 180) % 360 - 180)
    return "forwards" if off < 40 else "backwards" if off > 140 else "sideways" if 60 < off < 120 else ""
