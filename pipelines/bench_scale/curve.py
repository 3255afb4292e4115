"""The scaling curve as an SVG: speed-up and efficiency against the number of machines."""

import math
from collections.abc import Sequence

from pipelines.bench_scale.simulation import Prediction

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 640, 400, 70, 50, 40


def draw_curve(points: Sequence[Prediction]) -> str:
    """Draw the speed-up over one machine against machines, on logarithmic axes, with the efficiency at each point."""
    first = points[0].seconds
    speedups = [first / point.seconds for point in points]
    most = max(point.machines for point in points)

    def place(machines: float, speedup: float) -> tuple[float, float]:
        share_x, share_y = math.log2(machines) / math.log2(most), math.log2(max(speedup, 1)) / math.log2(most)
        return _LEFT + share_x * (_WIDTH - _LEFT - 40), _HEIGHT - _BOTTOM - share_y * (_HEIGHT - _BOTTOM - _TOP)

    line = " ".join("{:.1f},{:.1f}".format(*place(p.machines, s)) for p, s in zip(points, speedups, strict=True))
    (x0, y0), (x1, y1) = place(1, 1), place(most, most)
    points_svg = []
    for point, speedup in zip(points, speedups, strict=True):
        x, y = place(point.machines, speedup)
        _, below = place(point.machines, 1)
        _, beside = place(1, point.machines)
        points_svg.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#1f77b4"/>'
            f'<text x="{x + 8:.1f}" y="{y + 14:.1f}">{point.efficiency:.0%}</text>'
            f'<text x="{x:.1f}" y="{below + 20:.1f}" text-anchor="middle">{point.machines}</text>'
            f'<text x="{_LEFT - 10}" y="{beside + 4:.1f}" text-anchor="end">{point.machines}</text>'
        )
    title = f"{points[0].videos:,} videos, {points[0].workers} workers a machine: speed-up over one machine (simulated)"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        f'font-size="12"><rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>'
        f'<text x="{_LEFT}" y="20" font-size="14">{title}</text>'
        f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke="#999" stroke-dasharray="4"/>'
        f'<polyline points="{line}" fill="none" stroke="#1f77b4" stroke-width="2"/>{"".join(points_svg)}'
        f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 8}" text-anchor="middle">machines (labels: share of the workers\' time '
        "that is computing; dashed: ideal)</text></svg>\n"
    )
