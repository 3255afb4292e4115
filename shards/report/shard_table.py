"""Figures of the shards: contents, checks of their bytes, and outliers."""

from typing import Any

import numpy as np
import pandas as pd

from shards.index import INDEX_COLUMNS, get_score_name
from shards.report.drawing.distribution import compute_share, round_figure
from shards.report.source import ReportSource

_SCORES = ("mean_confidence", "jitter", "reprojection_pct", "mirror_disagreement_mm", "sharpness", "brightness")
_OUTLIER = 5.0
"""Robust deviations (median absolute deviation) from the other shards that make an outlier."""
_FEWEST_SHARDS, _FEWEST_SAMPLES = 5, 10


def summarize_shards(source: ReportSource) -> dict[str, Any]:
    """Summarize the shards; `rows` has one per shard with its check, medians and the names of its outlying figures."""
    index = source.index
    own = [name for name in index.columns if name not in INDEX_COLUMNS]
    scores = [name for name in _SCORES if name in own] or own[:4]
    groups = dict(list(index.groupby("shard")))
    rows = []
    for row in source.doc.shards:
        held = groups.get(row.name, index.iloc[:0])
        seconds = float(held["duration_s"].sum())
        rows.append(
            {
                "name": row.name,
                "split": row.split,
                "samples": row.num_samples,
                "index_rows": len(held),
                "bytes": row.bytes,
                "hours": round_figure(seconds / 3600),
                "seconds_per_sample": compute_share(seconds, len(held)),
                "bytes_per_second": compute_share(row.bytes, seconds),
                "medians": {
                    get_score_name(name): round_figure(held[name].median()) if len(held) else None for name in scores
                },
                "check": source.checks[row.name].found,
                "outliers": [],
            }
        )
    _flag_outliers(rows)
    found = pd.Series([row["check"] for row in rows], dtype=object).value_counts()
    return {
        "count": len(rows),
        "outliers": sum(bool(row["outliers"]) for row in rows),
        "unsound": sum(not check.readable for check in source.checks.values()),
        "hashed": int(found.get("sound", 0) + found.get("wrong sha256", 0)),
        "miscounted": sum(row["samples"] != row["index_rows"] for row in rows),
        "scores": [get_score_name(name) for name in scores],
        "rows": rows,
    }


def _flag_outliers(rows: list[dict[str, Any]]) -> None:
    """Add to each row the names of figures that are far from those of the other shards with enough samples."""
    fit = [row for row in rows if row["index_rows"] >= _FEWEST_SAMPLES]
    if len(fit) < _FEWEST_SHARDS:
        return

    def flag(name: str, values: list[float | None]) -> None:
        known = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        middle = np.nanmedian(known) if np.isfinite(known).any() else np.nan
        spread = max(1.4826 * np.nanmedian(np.abs(known - middle)), 0.02 * abs(middle), 1e-12)
        for row, value in zip(fit, known, strict=True):
            if abs(value - middle) > _OUTLIER * spread:
                row["outliers"].append(name)

    for name in ("seconds_per_sample", "bytes_per_second"):
        flag(name, [row[name] for row in fit])
    for name in fit[0]["medians"]:
        flag(name, [row["medians"][name] for row in fit])
