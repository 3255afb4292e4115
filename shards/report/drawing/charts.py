"""Layout of charts, in percent of their width and height; the templates draw them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shards.report.paths import join_path

Steps = tuple[str | int, ...]
_TILES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class BarRect:
    """A histogram bar for one number of the figures."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    value: int
    figure: str
    """The number's dotted path."""
    low: float
    high: float
    """The edges of a histogram's bar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A rectangle of a treemap."""

    x: float
    y: float
    width: float
    height: float
    name: str
    hue: int
    samples: int


def stack_bars(edges: Sequence[float], series: Sequence[tuple[str, Steps, Sequence[int]]]) -> list[BarRect]:
    """Stack the bars of histograms: (kind, path of the counts, counts) from the bottom up."""
    totals = [sum(counts) for counts in zip(*(counts for _, _, counts in series), strict=True)]
    top, span = max(totals, default=0) or 1, (edges[-1] - edges[0]) or 1
    rects, below = [], [0] * len(totals)
    for kind, steps, counts in series:
        for bar, count in enumerate(counts):
            if count:
                low, high = edges[bar], edges[bar + 1]
                size, width = 100 * count / top, 100 * (high - low) / span
                rects.append(
                    BarRect(
                        x=round(100 * (low - edges[0]) / span + width * 0.06, 3),
                        y=round(100 - 100 * below[bar] / top - size, 3),
                        width=round(width * 0.88, 3),
                        height=round(max(size, 1.2), 3),
                        kind=kind,
                        value=count,
                        figure=join_path((*steps, bar)),
                        low=low,
                        high=high,
                    )
                )
                below[bar] += count
    return rects


def scale_position(value: float, edges: Sequence[float]) -> float:
    """Scale a value between the first and the last edge to 0..100, clamped."""
    span = (edges[-1] - edges[0]) or 1
    return round(min(max(100 * (value - edges[0]) / span, 0.0), 100.0), 3)


def layout_treemap(groups: dict[str, dict[str, Any]], aspect: float = 2.4) -> list[Tile]:
    """Lay out the largest categories by samples, grouped by major category; areas are their shares."""
    shown = list(groups.items())[:_TILES]
    majors: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for name, row in shown:
        majors[name.partition("/")[0]].append((name, row["samples"]))
    order = sorted(majors, key=lambda major: (-sum(n for _, n in majors[major]), major))
    blocks = _squarify([sum(n for _, n in majors[major]) for major in order], 0, 0, 100 * aspect, 100)
    tiles = []
    for hue, (major, (x, y, width, height)) in enumerate(zip(order, blocks, strict=True)):
        inner = _squarify([n for _, n in majors[major]], x, y, width, height)
        for (name, samples), (left, top, wide, high) in zip(majors[major], inner, strict=True):
            tiles.append(
                Tile(
                    x=round(left / aspect, 3),
                    y=round(top, 3),
                    width=round(wide / aspect, 3),
                    height=round(high, 3),
                    name=name,
                    hue=hue % 8,
                    samples=samples,
                )
            )
    return tiles


def _squarify(
    sizes: Sequence[float], x: float, y: float, width: float, height: float
) -> list[tuple[float, float, float, float]]:
    """Divide a rectangle by these sizes (descending) into tiles as square as possible (Bruls, Huizing, van Wijk)."""
    total = sum(sizes)
    areas = [size * width * height / total for size in sizes] if total else []
    placed: list[tuple[float, float, float, float]] = []
    while areas:
        side = min(width, height)
        count = 1
        while count < len(areas) and _max_aspect(areas[: count + 1], side) <= _max_aspect(areas[:count], side):
            count += 1
        row, areas = areas[:count], areas[count:]
        depth, at = sum(row) / side, 0.0
        for area in row:
            long = area / depth
            placed.append((x, y + at, depth, long) if width >= height else (x + at, y, long, depth))
            at += long
        if width >= height:
            x, width = x + depth, width - depth
        else:
            y, height = y + depth, height - depth
    return placed


def _max_aspect(row: Sequence[float], side: float) -> float:
    """Return the largest aspect ratio among a row's rectangles."""
    depth = sum(row) / side
    return max(max(area / depth / depth, depth / (area / depth)) for area in row)
