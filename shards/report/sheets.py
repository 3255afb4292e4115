"""Which clips are shown as pictures: the best, the worst and random ones of the kept, and some of each reason."""

from typing import Any

import numpy as np
import pandas as pd

from shards.clips import SCORE, ClipTable

_EACH = 12
_PER_REASON = 8


def sheets(clips: ClipTable) -> dict[str, Any]:
    """`kept`: best, worst, random; `rejected`: by reason; rows with what is said of each clip below its picture.

    Kept clips are ranked by their mean rank over `ranked_by`: the scores that the motion's quality is judged by.
    """
    frame = clips.frame
    kept = frame[frame["outcome"] == "kept"]
    ranked_by, rank = _rank(kept, clips)
    order = kept.assign(rank=rank).sort_values(["rank", "clip_id"], ascending=[False, True])
    each = min(_EACH, len(order) // 2)
    some = np.random.default_rng(0).permutation(len(kept))[:_EACH]
    rejected = frame[frame["outcome"] != "kept"]
    reasons = rejected["reason"].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    return {
        "ranked_by": ranked_by,
        "kept": {
            "best": _rows(order.head(each), ranked_by),
            "worst": _rows(order.tail(each).iloc[::-1], ranked_by),
            "random": _rows(kept.iloc[sorted(some)], ranked_by),
        },
        "rejected": {
            reason: _rows(_spread(rejected[rejected["reason"] == reason]), ranked_by) for reason in reasons.index
        },
    }


def _rank(kept: pd.DataFrame, clips: ClipTable) -> tuple[list[str], pd.Series]:
    bars = [bar for stage in clips.stage_bars if stage.stage == "quality" for bar in stage.bars]
    better = {bar.score: bar.at_least for bar in bars} or {"mean_confidence": True, "jitter": False}
    names = [name for name in better if SCORE + name in kept and kept[SCORE + name].nunique() > 1]
    ranks = [kept[SCORE + name].rank(pct=True, ascending=better[name]) for name in names]
    return names, sum(ranks) / len(ranks) if ranks else pd.Series(0.0, index=kept.index)


def _spread(rows: pd.DataFrame) -> pd.DataFrame:
    """So many rows, evenly over the sources."""
    rows = rows.sort_values("clip_id")
    return rows.iloc[np.unique(np.linspace(0, len(rows) - 1, min(_PER_REASON, len(rows))).round().astype(int))]


def _rows(frame: pd.DataFrame, ranked_by: list[str]) -> list[dict[str, Any]]:
    shown = [name for name in ("mean_confidence", "jitter", "reprojection_pct") if name in ranked_by] or ranked_by[:3]
    rows = []
    for row in frame.to_dict("records"):
        values = {name: row[SCORE + name] for name in shown if np.isfinite(row[SCORE + name])}
        rows.append(
            {
                "clip_id": row["clip_id"],
                "uri": row["uri"],
                "start_s": round(float(row["start_s"]), 3),
                "end_s": round(float(row["end_s"]), 3),
                "category": row["category"] or "",
                "caption": row["caption"] or "",
                "detail": row["detail"] or "",
                "scores": {name: float(f"{value:.4g}") for name, value in values.items()},
            }
        )
    return rows
