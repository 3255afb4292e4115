"""What the trunk does: bends, leans, turns; and where the whole person goes."""

import numpy as np

from annotators.captions.events import Event, Kind, seen
from annotators.captions.moves import moves
from annotators.captions.signals import BodySignals

BEND = 32.0
BENT = 38.0
LEAN = 20.0
TURN = 60.0
FASTEST_TURN = 900.0
"""Degrees a second: a faster change of heading is a tracker that swapped front and back."""
TRAVEL = 0.5
"""Body lengths across the picture."""
TRAVEL_DEPTH = 1.2
"""Body lengths to or from the camera: more, since one camera measures depth poorly."""


def find(s: BodySignals) -> list[Event]:
    """Bends, leans and turns."""
    return _bends(s) + _leans(s) + _turns(s)


def _bends(s: BodySignals) -> list[Event]:
    events = []
    for move in moves(s.lean_forward, BEND):
        down = move.change > 0
        bent = move.after if down else move.before
        if bent < BENT or not seen(s.good, move.start, move.end):
            continue
        speed = abs(move.change) / 180 * s.fps / (move.end - move.start)
        times = {"start": move.start / s.fps, "end": move.end / s.fps}
        kind = Kind.BEND if down else Kind.STRAIGHTEN
        events.append(Event(kind=kind, **times, amount=abs(move.change), speed=speed, weight=0.9 if down else 0.4))
    return events


def _leans(s: BodySignals) -> list[Event]:
    events = []
    for move in moves(s.lean_left, LEAN):
        if abs(move.after) < 18 or abs(move.after) < abs(move.before) or not seen(s.good, move.start, move.end):
            continue
        speed = abs(move.change) / 180 * s.fps / (move.end - move.start)
        times = {"start": move.start / s.fps, "end": move.end / s.fps}
        side = "left" if move.after > 0 else "right"
        events.append(Event(kind=Kind.LEAN, side=side, **times, amount=abs(move.after), speed=speed, weight=0.6))
    return events


def _turns(s: BodySignals) -> list[Event]:
    events = []
    for move in moves(s.yaw, TURN):
        seconds = (move.end - move.start) / s.fps
        rate = 0.8 * abs(move.change) / seconds
        if rate > FASTEST_TURN or not seen(s.good, move.start, move.end):
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


def travel(s: BodySignals, camera_moving: bool | None) -> list[Event]:
    """Where the pelvis goes under a still camera; under any other it can't be told from the camera's own motion."""
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
        for move in moves(series, least):
            if not seen(s.good, move.start, move.end):
                continue
            times = {"start": move.start / s.fps, "end": move.end / s.fps}
            speed = 0.8 * abs(move.change) * s.fps / (move.end - move.start)
            direction = more if move.change > 0 else less
            events.append(
                Event(
                    kind=Kind.TRAVEL, direction=direction, level=_relative(s, move.start, move.end), **times,
                    amount=abs(move.change), speed=speed, weight=0.5 + 0.4 * abs(move.change),
                )
            )  # fmt: skip
    return sorted(events, key=lambda e: -e.amount)


def _relative(s: BodySignals, start: int, end: int) -> str:
    """Which way in the person's own terms: "forwards", "backwards", "sideways"; "" where that is unsteady."""
    yaw = s.yaw[start : end + 1]
    if np.ptp(np.quantile(yaw, [0.1, 0.9])) > 60:
        return ""
    go = s.pelvis[end] - s.pelvis[start]
    course = np.degrees(np.arctan2(go[0], -go[2]))  # 0 to the camera, growing towards the picture's right, as yaw does
    off = abs((course - float(np.median(yaw)) + 180) % 360 - 180)
    return "forwards" if off < 40 else "backwards" if off > 140 else "sideways" if 60 < off < 120 else ""
