"""Counts, quantiles and histograms as JSON values with six significant digits."""

from typing import Any

import numpy as np

BINS = 32
_FAR = 4.0
"""A tail longer than this times the spread of the rest is folded into the last bar."""


def round_figure(value: float | None) -> float | None:
    """Round to six significant digits; None for None, NaN and infinities."""
    return None if value is None or not np.isfinite(value) else float(f"{float(value):.6g}")


def compute_share(part: float, whole: float) -> float | None:
    """Return part / whole; None if whole is 0."""
    return round_figure(part / whole) if whole else None


def summarize_values(values: np.ndarray) -> dict[str, Any]:
    """Compute count, mean, min, p05, median, p95 and max of the finite `values` (N,)."""
    values = np.asarray(values, dtype=np.float64)
    values = values[np.isfinite(values)]
    names = ("min", "p05", "median", "p95", "max")
    found = np.percentile(values, (0, 5, 50, 95, 100)) if len(values) else [None] * 5
    return {
        "count": len(values),
        "mean": round_figure(values.mean()) if len(values) else None,
        **{name: round_figure(value) for name, value in zip(names, found, strict=True)},
    }


def make_edges(values: np.ndarray, *, bins: int = BINS, whole: bool = False, also: float | None = None) -> np.ndarray:
    """Make the edges of a histogram of the finite `values` (N,); with `whole` each bar starts at a whole number.

    Long tails are folded into the first and the last bar. The range includes `also` (a threshold) if that does not
    squeeze the rest to a third.
    """
    values = values[np.isfinite(values)]
    if not len(values):
        return np.array([0.0, 1.0])
    low, near_low, near_high, high = np.percentile(values, (0, 1, 99, 100))
    spread = near_high - near_low
    if spread > 0:
        low, high = max(low, near_low - _FAR * spread), min(high, near_high + _FAR * spread)
    if also is not None and np.isfinite(also) and max(high, also) - min(low, also) <= 3 * (high - low):
        low, high = min(low, also), max(high, also)
    if whole:
        step = max(1, int(np.ceil((high - low + 1) / bins)))
        return np.floor(low) + step * np.arange(int((high - np.floor(low)) // step) + 2)
    if high <= low:
        half = abs(low) * 0.05 or 0.5
        return np.linspace(low - half, high + half, 4)
    return np.linspace(low, high, bins + 1)


def count_bins(values: np.ndarray, edges: np.ndarray) -> list[int]:
    """Count the finite `values` (N,) in each bar; the first and last bar include what is beyond them."""
    values = values[np.isfinite(values)]
    return np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0].tolist()


def summarize_distribution(values: np.ndarray, *, whole: bool = False, bins: int = BINS) -> dict[str, Any]:
    """Summarize values with a histogram: edges (B + 1), counts (B)."""
    values = np.asarray(values, dtype=np.float64)
    edges = make_edges(values, bins=bins, whole=whole)
    counts = count_bins(values, edges)
    return summarize_values(values) | {"edges": [round_figure(edge) for edge in edges], "counts": counts}


def select_largest(counts: dict[str, Any], most: int) -> list[tuple[str, Any]]:
    """Select the largest entries, ties in alphabetical order."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]
