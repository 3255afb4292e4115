"""Events of the legs other than gait: kick, lift, squat, jump."""

from dataclasses import replace

import numpy as np

from annotators.captions.movement.events import Event, Kind, is_visible, measure_path_speed
from annotators.captions.movement.moves import find_moves
from annotators.captions.movement.signals import SIDES, BodySignals

LIFT = 0.09
"""Least height of one ankle above the other, body lengths."""
SIDE, SIDE_HEIGHT = 0.14, 0.035
"""Least sideways reach of a leg, and least height of its ankle above the other, body lengths."""
KICK_SPEED = 1.5
"""Least speed of a kicking foot relative to the pelvis, body lengths a second, leg nearly straight and in front."""
SQUAT, SHALLOW = 0.12, 0.17
"""Least descent of the pelvis in a squat, as a share of its standing height over the lower foot; up to the second value
the caption has bent knees instead of a squat."""
SQUAT_KNEES, LUNGE_KNEES = (50.0, 55.0), (35.0, 70.0)
"""Least flexion of the straighter and of the more bent knee at the bottom of a squat and of a lunge, degrees."""
SPLIT = 0.25
"""A squat with one foot this far in front of the other is a lunge, body lengths."""
HELD_S = 1.0
"""A low stance held longer than this may be sitting, so it is no squat."""
AIRBORNE, JUMP_PEAK = 0.03, 0.05
"""Simultaneous rise of the pelvis and of the lower foot while in the air, and at the peak, body lengths."""
GRAVITY = 9.81


def find_leg_events(s: BodySignals, gait: list[Event], camera_moving: bool | None) -> list[Event]:
    """Find all leg events outside the spans of gait."""
    jumps = _find_jumps(s, camera_moving)
    # The crouch before a jump and the landing are part of the jump.
    around = [replace(j, start=j.start - 0.4, end=j.end + 0.4) for j in jumps]
    found = jumps + [q for q in _find_squats(s) if not any(q.compute_overlap(j) > 0 for j in around)]
    # A single step before or after a walk is part of it.
    wider = [replace(g, start=g.start - 0.6, end=g.end + 0.6) for g in gait]
    taken = wider + found
    aside = [e for e in _find_side_lifts(s) if not any(e.compute_overlap(b) > 0.4 for b in taken)]
    taken += aside
    lifts = aside + [e for e in _find_lifts(s) if not any(e.compute_overlap(b) > 0.4 for b in taken)]
    outside_gait = [e for e in found if not any(e.compute_overlap(g) > 0.4 for g in gait) or e.weight > 1.5]
    return outside_gait + lifts


def _find_lifts(s: BodySignals) -> list[Event]:
    ahead = s.foot_up[:, 0] - s.foot_up[:, 1]
    heights = (np.maximum(0, ahead), np.maximum(0, -ahead))
    events = []
    for k, move in [(0, m) for m in find_moves(heights[0], LIFT)] + [(1, m) for m in find_moves(heights[1], LIFT)]:
        if move.change < 0 or not is_visible(s.legs_visible[:, k], move.start, move.end):
            continue
        foot = np.stack([s.foot_up[:, k], s.foot_forward[:, k], s.foot_out[:, k]], 1)
        kind, direction, speed = _classify_lift(s, foot, move.start, move.end, k)
        weight = {Kind.KICK: 1.1, Kind.KNEE_RAISE: 0.9, Kind.LEG_LIFT: 0.9}.get(kind, 0.35)
        events.append(
            Event(
                kind=kind, side=SIDES[k], start=move.start / s.fps, end=move.end / s.fps, amount=abs(move.after),
                speed=speed, direction=direction, weight=min(1.3, weight + abs(move.after)),
            )
        )  # fmt: skip
    return events


def _find_side_lifts(s: BodySignals) -> list[Event]:
    """Find legs that swing out to the side with the foot off the ground."""
    events = []
    for k, side in enumerate(SIDES):
        for move in find_moves(s.foot_out[:, k], SIDE):
            height = float(s.foot_up[move.end, k] - s.foot_up[move.end, 1 - k])
            straight = s.knee[move.end, k] < 60 and move.after > 1.2 * abs(float(s.foot_forward[move.end, k]))
            aloft = move.change > 0 and move.after >= 0.16 and height >= SIDE_HEIGHT and s.frontal[move.end]
            if aloft and straight and is_visible(s.legs_visible[:, k], move.start, move.end):
                foot = np.stack([s.foot_up[:, k], s.foot_forward[:, k], s.foot_out[:, k]], 1)
                events.append(
                    Event(
                        kind=Kind.LEG_LIFT, side=side, start=move.start / s.fps, end=move.end / s.fps,
                        amount=move.change, speed=measure_path_speed(foot, move.start, move.end, s.fps),
                        direction="out to the side", weight=0.9 + move.change,
                    )
                )  # fmt: skip
    return events


def _classify_lift(s: BodySignals, foot: np.ndarray, start: int, end: int, k: int) -> tuple[Kind, str, float]:
    speed = measure_path_speed(foot, start, end, s.fps)
    span = slice(start, end + 1)
    pitch, knee = float(s.thigh_pitch[span, k].max()), float(s.knee[end, k])
    _, forward, out = foot[end]
    if forward >= 0.13 and knee < 55 and speed >= KICK_SPEED:
        return Kind.KICK, "forward", speed
    if s.frontal[end] and out >= 0.16 and out > 1.2 * abs(forward) and knee < 60:
        return Kind.LEG_LIFT, "out to the side", speed
    if pitch >= 42 and knee >= 55:
        return Kind.KNEE_RAISE, "", speed
    if forward >= 0.15 and knee < 55:
        return Kind.LEG_LIFT, "forward", speed
    if forward <= -0.15 and knee < 60:
        return Kind.LEG_LIFT, "backward", speed
    return Kind.FOOT_LIFT, "behind" if forward <= -0.08 else "", speed


def _find_squats(s: BodySignals) -> list[Event]:
    height = s.pelvis[:, 1] - s.lowest_foot
    both = s.legs_visible.all(1)
    if not both.any():
        return []
    height = height / max(float(np.quantile(height[both], 0.9)), 1e-6)
    found = [m for m in find_moves(height, SQUAT) if is_visible(both, m.start, m.end)]
    events: list[Event] = []
    k = 0
    while k < len(found):
        move = found[k]
        low = move.end if move.change < 0 else move.start
        stance = float(s.foot_forward[low, 0] - s.foot_forward[low, 1])
        split = abs(stance) >= SPLIT
        knees = np.sort(s.knee[low])
        deep = bool((knees >= (LUNGE_KNEES if split else SQUAT_KNEES)).all())
        after = found[k + 1] if k + 1 < len(found) else None
        k += 1
        if not deep:
            continue
        speed = abs(move.change) * 0.54 * s.fps / max(move.end - move.start, 1)
        times = {"start": move.start / s.fps, "end": move.end / s.fps}
        common = {"amount": abs(move.change), "speed": speed, "weight": 0.9 + abs(move.change)}
        if move.change > 0:
            events.append(Event(kind=Kind.RISE, **times, **common))
        elif after and after.change > 0 and (after.start - move.end) / s.fps <= HELD_S:
            kind = Kind.LUNGE if split else Kind.SQUAT
            side = "" if not split else "left" if stance > 0 else "right"
            level = "" if split or abs(move.change) > SHALLOW else "shallow"
            events.append(
                Event(kind=kind, side=side, level=level, start=times["start"], end=after.end / s.fps, **common)
            )
            k += 1
        else:
            events.append(Event(kind=Kind.CROUCH, **times, **common))
    return events


def _estimate_baseline(series: np.ndarray, fps: float) -> np.ndarray:
    """Estimate the resting height: the 0.3 quantile of a second on either side of each row."""
    reach = max(1, round(fps))
    step = max(1, round(fps / 10))
    rows = np.arange(0, len(series), step)
    low = [np.quantile(series[max(0, r - reach) : r + reach + 1], 0.3) for r in rows]
    return np.interp(np.arange(len(series)), rows, low)


def _find_jumps(s: BodySignals, camera_moving: bool | None) -> list[Event]:
    """Find spans where both feet and the pelvis rise and fall together for as long as gravity takes.

    None under a moving camera.
    """
    if camera_moving or len(s) < 5:
        return []
    pelvis = s.pelvis[:, 1] - _estimate_baseline(s.pelvis[:, 1], s.fps)
    rise = np.minimum(pelvis, s.lowest_foot - _estimate_baseline(s.lowest_foot, s.fps))
    aloft = np.concatenate([[False], rise > AIRBORNE, [False]])
    edges = np.flatnonzero(np.diff(aloft.astype(int)))
    both = s.legs_visible.all(1)
    events = []
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        start, stop = int(start), int(stop)
        peak, seconds = float(rise[start:stop].max()), (stop - start) / s.fps
        fall_time = 2 * np.sqrt(2 * max(peak - AIRBORNE, 1e-6) * s.stature / GRAVITY)
        inside = start > 0 and stop < len(s)
        ballistic = 0.5 <= seconds / fall_time <= 2.0
        if inside and peak >= JUMP_PEAK and ballistic and is_visible(both, start, stop - 1):
            times = {"start": start / s.fps, "end": stop / s.fps}
            events.append(Event(kind=Kind.JUMP, **times, amount=peak, weight=1.3 + 2 * peak))
    return events
