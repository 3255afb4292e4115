"""Select the clips of the contact sheets: best, worst and random kept clips, and rejected ones by reason."""

from typing import Any

import numpy as np
import pandas as pd

from shards.clips_table import SCORE, ClipTable

_EACH = 12
_PER_REASON = 8


def select_sheets(clips: ClipTable) -> dict[str, Any]:
    """Select `kept` (best, worst, random) and `rejected` (by reason) clips, as rows with their captions and scores.

    Kept clips are ordered by their mean rank over `ranked_by`, the scores of motion quality.
    """
    frame = clips.frame
    kept = frame[frame["outcome"] == "kept"]
    ranked_by, rank = _rank_clips(kept, clips)
    order = kept.assign(rank=rank).sort_values(["rank", "clip_id"], ascending=[False, True])
    each = min(_EACH, len(order) // 2)
    picked = np.random.default_rng(0).permutation(len(kept))[:_EACH]
    rejected = frame[frame["outcome"] != "kept"]
    reasons = rejected["reason"].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    return {
        "ranked_by": ranked_by,
        "kept": {
            "best": _list_rows(order.head(each), ranked_by),
            "worst": _list_rows(order.tail(each).iloc[::-1], ranked_by),
            "random": _list_rows(kept.iloc[sorted(picked)], ranked_by),
        },
        "rejected": {
            reason: _list_rows(_pick_evenly(rejected[rejected["reason"] == reason]), ranked_by)
            for reason in reasons.index
        },
    }


def _rank_clips(kept: pd.DataFrame, clips: ClipTable) -> tuple[list[str], pd.Series]:
    thresholds = [t for stage in clips.stage_thresholds if stage.stage == "quality" for t in stage.thresholds]
    better = {t.score: t.at_least for t in thresholds} or {"mean_confidence": True, "jitter": False}
    names = [name for name in better if SCORE + name in kept and kept[SCORE + name].nunique() > 1]
    ranks = [kept[SCORE + name].rank(pct=True, ascending=better[name]) for name in names]
    return names, sum(ranks) / len(ranks) if ranks else pd.Series(0.0, index=kept.index)


def _pick_evenly(rows: pd.DataFrame) -> pd.DataFrame:
    """Pick at most _PER_REASON rows, evenly spread over the sources."""
    rows = rows.sort_values("clip_id")
    return rows.iloc[np.unique(np.linspace(0, len(rows) - 1, min(_PER_REASON, len(rows))).round().astype(int))]


def _list_rows(frame: pd.DataFrame, ranked_by: list[str]) -> list[dict[str, Any]]:
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
