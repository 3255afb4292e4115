"""Every score of every clip, kept or not, against its threshold."""

from typing import Any

import numpy as np

from shards.clips import SCORE, ClipTable
from shards.report.distribution import edges_of, histogram, share, summary, tidy


def scores(clips: ClipTable) -> dict[str, Any]:
    """For each score: kept and rejected (quantiles and histogram on shared edges), its bar, how many miss that.

    Scores that a threshold hangs on come first, in the order in which they are judged.
    """
    measured = [name.removeprefix(SCORE) for name in clips.frame.columns if name.startswith(SCORE)]
    bars = {bar.score: (stage.stage, bar) for stage in clips.stage_bars for bar in stage.bars}
    outcome = clips.frame["outcome"].to_numpy()
    found = {}
    for name in [*(n for n in bars if n in measured), *sorted(n for n in measured if n not in bars)]:
        values = clips.frame[SCORE + name].to_numpy(dtype=np.float64)
        entry = {"measured": int(np.isfinite(values).sum()), "bar": None}
        threshold = None
        if name in bars:
            stage, bar = bars[name]
            threshold = clips.threshold(bar.setting)
            missed = values < threshold if bar.at_least else values > threshold
            entry["bar"] = {
                "stage": stage,
                "setting": bar.setting,
                "threshold": tidy(threshold),
                "at_least": bar.at_least,
                "reason": str(bar.reason),
                "description": bar.description,
                "missed": int(missed.sum()),
                "missed_share": share(int(missed.sum()), entry["measured"]),
            }
        edges = edges_of(values, also=threshold)
        entry["edges"] = [tidy(edge) for edge in edges]
        for kind in ("kept", "rejected"):
            own = values[outcome == kind]
            entry[kind] = summary(own) | {"counts": histogram(own, edges)}
        found[name] = entry
    return found
