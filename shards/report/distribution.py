"""Numbers as the report keeps them: how many, their quantiles, and a histogram. Plain JSON values, six digits."""

from typing import Any

import numpy as np

BINS = 32
_FAR = 4.0
"""A tail that is longer than this times the spread of the rest is folded into the last bar."""


def tidy(value: float | None) -> float | None:
    """Six significant digits; None for what is no number."""
    return None if value is None or not np.isfinite(value) else float(f"{float(value):.6g}")


def share(part: float, whole: float) -> float | None:
    """part / whole; None of nothing."""
    return tidy(part / whole) if whole else None


def summary(values: np.ndarray) -> dict[str, Any]:
    """count, mean, min, p05, median, p95, max of the finite ones of `values` (N,)."""
    values = np.asarray(values, dtype=np.float64)
    values = values[np.isfinite(values)]
    names = ("min", "p05", "median", "p95", "max")
    found = np.percentile(values, (0, 5, 50, 95, 100)) if len(values) else [None] * 5
    return {
        "count": len(values),
        "mean": tidy(values.mean()) if len(values) else None,
        **{name: tidy(value) for name, value in zip(names, found, strict=True)},
    }


def edges_of(values: np.ndarray, *, bins: int = BINS, whole: bool = False, also: float | None = None) -> np.ndarray:
    """Edges of a histogram of the finite `values` (N,); with `whole` each bar starts at a whole number.

    A far tail on either side is left to the first and the last bar. `also` (a threshold) is brought into the range
    where that does not squeeze the rest to a third.
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


def histogram(values: np.ndarray, edges: np.ndarray) -> list[int]:
    """How many of the finite `values` (N,) lie in each bar; the first and last bar take what lies beyond them."""
    values = values[np.isfinite(values)]
    return np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0].tolist()


def distribution(values: np.ndarray, *, whole: bool = False, bins: int = BINS) -> dict[str, Any]:
    """`summary` with a histogram: edges (B + 1), counts (B)."""
    values = np.asarray(values, dtype=np.float64)
    edges = edges_of(values, bins=bins, whole=whole)
    return summary(values) | {"edges": [tidy(edge) for edge in edges], "counts": histogram(values, edges)}


def weighted_top(counts: dict[str, Any], most: int) -> list[tuple[str, Any]]:
    """The largest entries, ties in alphabetical order."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]
