"""One clip's way through the stages, with every bar that it was held against."""

from typing import Any

import numpy as np
import pandas as pd

from humove.bars import StageBars
from shards.clips import NEAR_DUPLICATES, SCORE, ClipTable

_BEFORE = ("ingest", "scan", "split", "clip")
"""What a clip has behind it when it becomes one."""


def clip_path(clips: ClipTable, row: pd.Series) -> list[dict[str, Any]]:
    """[{stage, outcome, reason, detail, score, threshold, bars}] for every stage, as the build settled them.

    outcome: passed, rejected, faulted, "not run", or "open" where a running build has still to do it. score and
    threshold are those of the bar that it was rejected for, or None; bars: [{setting, score, value, threshold,
    at_least, met, reason}].
    """
    bars = {stage.stage: stage for stage in clips.stage_bars}
    steps = [*(clips.steps or ([row["stage"]] if row["stage"] not in ("", NEAR_DUPLICATES) else [])), NEAR_DUPLICATES]
    path = [_entry(stage, "passed") for stage in _BEFORE]
    reached = steps.index(row["reached"]) if row["reached"] in steps else -1
    over = False
    for place, stage in enumerate(steps):
        measured = _bars(clips, bars[stage], row) if stage in bars and place <= reached else []
        if row["outcome"] != "kept" and stage == row["stage"]:
            decisive = next((bar for bar in measured if bar["reason"] == row["reason"] and not bar["met"]), None)
            entry = _entry(stage, row["outcome"], row["reason"], row["detail"], measured)
            if decisive:
                entry |= {"score": decisive["value"], "threshold": decisive["threshold"]}
            over = True
        else:
            entry = _entry(stage, "not run" if over else "passed", bars=measured)
        path.append(entry)
    return path


def _entry(stage: str, outcome: str, reason: str = "", detail: str = "", bars: list | None = None) -> dict[str, Any]:
    return {
        "stage": stage, "outcome": outcome, "reason": reason, "detail": detail, "score": None, "threshold": None,
        "bars": bars or [],
    }  # fmt: skip


def _bars(clips: ClipTable, stage: StageBars, row: pd.Series) -> list[dict[str, Any]]:
    found = []
    for bar in stage.bars:
        value = row.get(f"{SCORE}{bar.score}", np.nan)
        known, threshold = bool(np.isfinite(value)), clips.threshold(bar.setting)
        found.append(
            {
                "setting": bar.setting,
                "score": bar.score,
                "value": float(value) if known else None,
                "threshold": threshold,
                "at_least": bar.at_least,
                "met": not bar.missed(float(value), threshold) if known else bar.optional,
                "reason": str(bar.reason),
            }
        )
    return found
