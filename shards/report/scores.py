"""Figures of the clips' scores and thresholds."""

from typing import Any

import numpy as np

from shards.clips_table import SCORE, ClipTable
from shards.report.drawing.distribution import compute_share, count_bins, make_edges, round_figure, summarize_values


def summarize_scores(clips: ClipTable) -> dict[str, Any]:
    """Summarize each score: kept and rejected (quantiles and histogram on shared edges), threshold, clips missing it.

    Scores with a threshold come first, in the order of their checks.
    """
    measured = [name.removeprefix(SCORE) for name in clips.frame.columns if name.startswith(SCORE)]
    thresholds = {t.score: (stage.stage, t) for stage in clips.stage_thresholds for t in stage.thresholds}
    outcome = clips.frame["outcome"].to_numpy()
    found = {}
    for name in [*(n for n in thresholds if n in measured), *sorted(n for n in measured if n not in thresholds)]:
        values = clips.frame[SCORE + name].to_numpy(dtype=np.float64)
        entry = {"measured": int(np.isfinite(values).sum()), "bar": None}
        limit = None
        if name in thresholds:
            stage, threshold = thresholds[name]
            limit = clips.get_limit(threshold.setting)
            missed = values < limit if threshold.at_least else values > limit
            entry["bar"] = {
                "stage": stage,
                "setting": threshold.setting,
                "threshold": round_figure(limit),
                "at_least": threshold.at_least,
                "reason": str(threshold.reason),
                "description": threshold.description,
                "missed": int(missed.sum()),
                "missed_share": compute_share(int(missed.sum()), entry["measured"]),
            }
        edges = make_edges(values, also=limit)
        entry["edges"] = [round_figure(edge) for edge in edges]
        for kind in ("kept", "rejected"):
            own = values[outcome == kind]
            entry[kind] = summarize_values(own) | {"counts": count_bins(own, edges)}
        found[name] = entry
    return found
