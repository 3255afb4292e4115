"""The outcome of one clip at each stage, with the thresholds applied to it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from humove.config.thresholds import StageThresholds
from shards.clips_table import NEAR_DUPLICATES, SCORE, ClipTable

_VIDEO_STAGES = ("ingest", "scan", "split", "clip")
"""Stages before the first one that works on clips: every clip has passed them."""


def make_stage_documents(clips: ClipTable, row: pd.Series) -> list[dict[str, Any]]:
    """Return [{stage, outcome, reason, detail, score, limit, thresholds}] for every stage, as the build decided.

    outcome: passed, rejected, faulted, "not run", or "open" if a running build has not done it yet. score and limit are
    those of the threshold that rejected the clip, or None; thresholds: [{setting, score, value, limit, at_least, met,
    reason}].
    """
    stage_thresholds = {stage.stage: stage for stage in clips.stage_thresholds}
    steps = [*(clips.steps or ([row["stage"]] if row["stage"] not in ("", NEAR_DUPLICATES) else [])), NEAR_DUPLICATES]
    documents = [_make_document(stage, "passed") for stage in _VIDEO_STAGES]
    reached = steps.index(row["reached"]) if row["reached"] in steps else -1
    ended = False
    for place, stage in enumerate(steps):
        judged = stage in stage_thresholds and place <= reached
        measured = _describe_thresholds(clips, stage_thresholds[stage], row) if judged else []
        if row["outcome"] != "kept" and stage == row["stage"]:
            decisive = next((t for t in measured if t["reason"] == row["reason"] and not t["met"]), None)
            document = _make_document(stage, row["outcome"], row["reason"], row["detail"], measured)
            if decisive:
                document |= {"score": decisive["value"], "limit": decisive["limit"]}
            ended = True
        else:
            document = _make_document(stage, "not run" if ended else "passed", thresholds=measured)
        documents.append(document)
    return documents


def _make_document(
    stage: str, outcome: str, reason: str = "", detail: str = "", thresholds: Sequence[dict] = ()
) -> dict[str, Any]:
    return {
        "stage": stage, "outcome": outcome, "reason": reason, "detail": detail, "score": None, "limit": None,
        "thresholds": list(thresholds),
    }  # fmt: skip


def _describe_thresholds(clips: ClipTable, stage: StageThresholds, row: pd.Series) -> list[dict[str, Any]]:
    found = []
    for threshold in stage.thresholds:
        value = row.get(f"{SCORE}{threshold.score}", np.nan)
        known, limit = bool(np.isfinite(value)), clips.get_limit(threshold.setting)
        found.append(
            {
                "setting": threshold.setting,
                "score": threshold.score,
                "value": float(value) if known else None,
                "limit": limit,
                "at_least": threshold.at_least,
                "met": not threshold.is_missed(float(value), limit) if known else threshold.optional,
                "reason": str(threshold.reason),
            }
        )
    return found
