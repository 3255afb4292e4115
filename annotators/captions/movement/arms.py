"""Events of the arms: raise, lower, reach, wave, swing, bend."""

from dataclasses import replace

import numpy as np

from annotators.captions.movement.events import Event, Kind, is_visible, measure_path_speed
from annotators.captions.movement.moves import Move, find_moves, find_turning_points
from annotators.captions.movement.signals import SIDES, BodySignals

RAISE = 0.16
"""A wrist that rises or falls by this many body lengths against the trunk (27 cm for 1.7 m) is a raised arm."""
OVERHEAD, SHOULDER, CHEST = 0.14, -0.055, -0.16
"""Wrist height over the shoulder from which a raised hand is above the head, at shoulder height, at chest height."""
REACH = 0.15
BEND = 55.0
WAVE = 0.035
"""Least sideways travel of a waving hand, with the hand above WAVE_HEIGHT and at least four strokes in a row."""
WAVE_HEIGHT = -0.12
WAVE_STROKE_S = (0.07, 0.6)
SWING = 0.08
SWING_STROKE_S = (0.12, 1.0)
FASTEST = 6.0
"""Body lengths a second: no hand moves faster relative to its shoulder; a higher speed is a tracking error."""


def find_arm_events(s: BodySignals) -> list[Event]:
    """Find all arm events of a clip, each arm separately."""
    found: list[Event] = []
    for k, side in enumerate(SIDES):
        if s.arms_visible[:, k].any():
            found += _find_events_of_arm(s, k, side)
    return _merge_swings(s, found)


def _merge_swings(s: BodySignals, events: list[Event]) -> list[Event]:
    """Merge simultaneous swings of both arms into one event; its direction is "together", "alternately" or ""."""
    swings = {side: [e for e in events if e.kind is Kind.ARM_SWING and e.side == side] for side in SIDES}
    rest = [e for e in events if e.kind is not Kind.ARM_SWING]
    for left in swings["left"]:
        partner = next((r for r in swings["right"] if r.compute_overlap(left) > 0.5), None)
        if partner is None:
            rest.append(left)
            continue
        swings["right"].remove(partner)
        start, end = max(left.start, partner.start), min(left.end, partner.end)
        rows = slice(round(start * s.fps), round(end * s.fps) + 1)
        correlation = float(np.corrcoef(s.hand_forward[rows].T)[0, 1])
        way = "alternately" if correlation < -0.3 else "together" if correlation > 0.3 else ""
        start, end = min(left.start, partner.start), max(left.end, partner.end)
        rest.append(replace(left, side="both", start=start, end=end, direction=way))
    return rest + swings["right"]


def _find_events_of_arm(s: BodySignals, k: int, side: str) -> list[Event]:
    hand = np.stack([s.hand_up[:, k], s.hand_forward[:, k], s.hand_out[:, k]], 1)
    waves = _find_strokes(s, hand[:, 2], hand[:, 0] > WAVE_HEIGHT, k, WAVE, WAVE_STROKE_S, 4, Kind.WAVE, side)
    swings = _find_strokes(s, hand[:, 1], hand[:, 0] < -0.02, k, SWING, SWING_STROKE_S, 3, Kind.ARM_SWING, side)
    busy = waves + swings
    lifts = [e for e in _find_raises(s, hand, k, side) if not _lies_within(e, swings)]
    reaches = [e for e in _find_reaches(s, hand, k, side) if not _overlaps_any(e, busy + lifts)]
    bends = [e for e in _find_bends(s, hand, k, side) if not _overlaps_any(e, busy + lifts + reaches)]
    return busy + lifts + reaches + bends


def _overlaps_any(event: Event, others: list[Event]) -> bool:
    return any(event.compute_overlap(other) > 0.3 for other in others)


def _lies_within(event: Event, others: list[Event]) -> bool:
    return any(o.start - 0.2 <= event.start and event.end <= o.end + 0.2 for o in others)


def _find_strokes(
    s: BodySignals, series: np.ndarray, where: np.ndarray, k: int, amplitude: float, stroke_s: tuple[float, float],
    least: int, kind: Kind, side: str,
) -> list[Event]:  # fmt: skip
    """Find runs of at least `least` strokes back and forth, each of a duration in `stroke_s` and inside `where`."""
    points = find_turning_points(series, amplitude)
    runs: list[list[int]] = [[]]
    for a, b in zip(points, points[1:], strict=False):
        fits = stroke_s[0] <= (b - a) / s.fps <= stroke_s[1] and where[a : b + 1].mean() > 0.8
        if fits and is_visible(s.arms_visible[:, k], a, b):
            runs[-1] = [*(runs[-1] or [a]), b]
        else:
            runs.append([])
    events = []
    for run in runs:
        if len(run) - 1 >= least:
            lengths = np.abs(np.diff(series[run]))
            speed = float(lengths.sum() * s.fps / (run[-1] - run[0]))
            events.append(
                Event(
                    kind=kind, side=side, start=run[0] / s.fps, end=run[-1] / s.fps, amount=float(lengths.mean()),
                    speed=speed, times=round((len(run) - 1) / 2), weight=0.9 if kind is Kind.WAVE else 0.45,
                )
            )  # fmt: skip
    return events


def _find_raises(s: BodySignals, hand: np.ndarray, k: int, side: str) -> list[Event]:
    events = []
    for move in find_moves(hand[:, 0], RAISE):
        speed = measure_path_speed(hand, move.start, move.end, s.fps)
        if not is_visible(s.arms_visible[:, k], move.start, move.end) or speed > FASTEST:
            continue
        up = move.change > 0
        level = _name_level(move.after) if up else ""
        if up and not level:
            continue  # the hand ends below the chest: a bent elbow, not a raised arm
        if not up and not _name_level(move.before):
            continue
        events.append(
            Event(
                kind=Kind.ARM_RAISE if up else Kind.ARM_LOWER, side=side, start=move.start / s.fps,
                end=move.end / s.fps, amount=abs(move.change), speed=speed, level=level,
                direction=_name_direction(hand, move, bool(s.frontal[move.end])) if up else "",
                weight=min(1.2, 0.3 + abs(move.change) * (1.6 if up else 1.0)),
            )
        )  # fmt: skip
    return events


def _name_level(height: float) -> str:
    if height >= OVERHEAD:
        return "above the head"
    if height >= SHOULDER:
        return "to shoulder height"
    return "to chest height" if height >= CHEST else ""


def _name_direction(hand: np.ndarray, move: Move, frontal: bool) -> str:
    """Name the direction, forward or sideways, of the hand where its height is nearest to the shoulder's."""
    span = hand[move.start : move.end + 1]
    _, forward, out = span[int(np.abs(span[:, 0]).argmin())]
    if max(forward, out) < 0.13:
        return ""
    if forward > 1.6 * abs(out):
        return "forward"
    return "out to the side" if frontal and out > 1.6 * abs(forward) else ""


def _find_reaches(s: BodySignals, hand: np.ndarray, k: int, side: str) -> list[Event]:
    events = []
    for column, direction in ((1, "forward"), (2, "out to the side")):
        for move in find_moves(hand[:, column], REACH):
            stretched = s.elbow[move.end, k] < 65 and -0.22 <= hand[move.end, 0] <= OVERHEAD
            speed = measure_path_speed(hand, move.start, move.end, s.fps)
            sound = is_visible(s.arms_visible[:, k], move.start, move.end) and speed <= FASTEST
            measurable = direction == "forward" or s.frontal[move.end]
            if move.change > 0 and move.after >= 0.15 and stretched and sound and measurable:
                events.append(
                    Event(
                        kind=Kind.REACH, side=side, start=move.start / s.fps, end=move.end / s.fps,
                        amount=move.change, speed=speed, direction=direction, weight=0.3 + move.change,
                    )
                )  # fmt: skip
    return events


def _find_bends(s: BodySignals, hand: np.ndarray, k: int, side: str) -> list[Event]:
    events = []
    for move in find_moves(s.elbow[:, k], BEND):
        speed = measure_path_speed(hand, move.start, move.end, s.fps)
        if is_visible(s.arms_visible[:, k], move.start, move.end, 0.8) and speed <= FASTEST:
            kind = Kind.ELBOW_BEND if move.change > 0 else Kind.ELBOW_STRAIGHTEN
            events.append(
                Event(
                    kind=kind, side=side, start=move.start / s.fps, end=move.end / s.fps, amount=abs(move.change),
                    speed=speed, weight=0.25 if move.change > 0 else 0.2,
                )
            )  # fmt: skip
    return events


def merge_raises_and_lowers(events: list[Event]) -> list[Event]:
    """Merge alternating raises and lowers of one side, with short pauses, into one event that counts them."""
    rest = [e for e in events if e.kind not in (Kind.ARM_RAISE, Kind.ARM_LOWER)]
    for side in ("left", "right", "both"):
        run: list[Event] = []
        chain = sorted((e for e in events if e.kind in (Kind.ARM_RAISE, Kind.ARM_LOWER) and e.side == side),
                       key=lambda e: e.start)  # fmt: skip
        for event in [*chain, None]:
            if event and run and event.kind != run[-1].kind and event.start - run[-1].end <= 0.8:
                run.append(event)
                continue
            rest += [_merge_cycle(run)] if len(run) >= 3 else run
            run = [event] if event else []
    return sorted(rest, key=lambda e: (e.start, e.kind, e.side))


def _merge_cycle(run: list[Event]) -> Event:
    levels = {e.level for e in run if e.kind is Kind.ARM_RAISE}
    ways = {e.direction for e in run if e.kind is Kind.ARM_RAISE}
    return Event(
        kind=Kind.ARM_UP_DOWN, side=run[0].side, start=run[0].start, end=run[-1].end,
        amount=max(e.amount for e in run), speed=float(np.mean([e.speed for e in run])), times=(len(run) + 1) // 2,
        level=levels.pop() if len(levels) == 1 else "", direction=ways.pop() if len(ways) == 1 else "",
        weight=max(e.weight for e in run) + 0.2,
    )  # fmt: skip
