"""Splitting of a series into moves: spans in which it rises or falls by a minimum amount."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Move:
    """A change of a series from `before` to `after` between the rows `start` and `end` (inclusive)."""

    start: int
    end: int
    before: float
    after: float

    @property
    def change(self) -> float:
        return self.after - self.before


def find_turning_points(series: np.ndarray, amplitude: float) -> list[int]:
    """Find the rows where the series turns by at least `amplitude`, with its first and last extreme."""
    if len(series) < 2:
        return []
    low = high = pivot = 0
    points: list[int] = []
    direction = 0
    for k in range(1, len(series)):
        value = series[k]
        if direction == 0:
            low = k if value < series[low] else low
            high = k if value > series[high] else high
            if value - series[low] >= amplitude:
                points, direction, pivot = [low], 1, k
            elif series[high] - value >= amplitude:
                points, direction, pivot = [high], -1, k
        elif (value - series[pivot]) * direction > 0:
            pivot = k
        elif (series[pivot] - value) * direction >= amplitude:
            points.append(pivot)
            direction, pivot = -direction, k
    return [*points, pivot] if direction else []


def find_moves(series: np.ndarray, amplitude: float) -> list[Move]:
    """Find the moves of at least `amplitude`, each trimmed to the span from 10 to 90 % of its change."""
    points = find_turning_points(series, amplitude)
    found = []
    for a, b in zip(points, points[1:], strict=False):
        before, after = float(series[a]), float(series[b])
        done = (series[a : b + 1] - before) / (after - before)
        start = a + int(np.flatnonzero(done <= 0.1)[-1])
        late = np.flatnonzero(done >= 0.9)
        found.append(Move(start, max(a + int(late[0]), start + 1), before, after))
    return found
