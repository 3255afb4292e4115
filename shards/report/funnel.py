"""The funnel: outcomes, reasons and costs by stage, and the accounting invariant."""

from collections import Counter, defaultdict
from typing import Any

import pandas as pd

from humove.reasons import Reason
from shards.clips_table import CPU
from shards.report.drawing.distribution import compute_share, round_figure
from shards.report.source import ReportSource
from shards.schemas import StageCounts

UNITS = ("video", "shot", "clip")
_DROPPED = ("rejected", "faulted")
_VIDEO_STAGES = ("ingest", "probe", "scan", "split")


def get_unit(stage: str) -> str:
    """Get the unit of a stage: videos until they are split, then shots, then clips."""
    return "video" if stage in _VIDEO_STAGES else "shot" if stage == "clip" else "clip"


def summarize_funnel(source: ReportSource) -> dict[str, Any]:
    """Summarize the stages (inputs, outcomes, shares, reasons, CPU seconds) and the accounting invariant (`law`)."""
    counts, outcomes = source.doc.counts, source.outcomes
    dropped = outcomes[outcomes["outcome"].isin(_DROPPED)]
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    for (stage, reason), rows in dropped.groupby(["stage", "reason"]):
        reasons[stage][reason] += len(rows)
    cpu = sum_stage_cpu(source)
    stages = {}
    for stage, row in counts.items():
        stages[stage] = {
            "unit": get_unit(stage),
            **row.model_dump(),
            "emitted_share": compute_share(row.emitted, row.inputs),
            "rejected_share": compute_share(row.rejected, row.inputs),
            "faulted_share": compute_share(row.faulted, row.inputs),
            "reasons": dict(sorted(reasons[stage].items(), key=lambda item: (-item[1], item[0]))),
            "cpu_s": cpu.get(stage),
        }
    return {"stages": stages, "law": check_accounting(counts, outcomes), "outcome_rows": len(outcomes)}


def check_accounting(counts: dict[str, StageCounts], outcomes: pd.DataFrame) -> dict[str, Any]:
    """Check that inputs = emitted + rejected + faulted at every stage, that each stage's inputs are what the previous
    one emitted, and that a recount of outcomes.parquet agrees; describe every violation."""
    broken = []
    before: dict[str, tuple[str, int]] = {}
    totals = outcomes["unit"].value_counts()
    ended = outcomes[outcomes["outcome"].isin(_DROPPED)].groupby(["unit", "stage", "outcome"]).size().to_dict()
    dropped = dict.fromkeys(UNITS, 0)
    for stage, row in counts.items():
        unit = get_unit(stage)
        if row.inputs != row.emitted + row.rejected + row.faulted:
            broken.append(f"{stage}: {row.inputs} in, {row.emitted} + {row.rejected} + {row.faulted} out")
        if unit in before and before[unit][1] != row.inputs:
            broken.append(f"{stage}: {row.inputs} in, {before[unit][1]} out of {before[unit][0]}")
        before[unit] = (stage, row.emitted)
        recount = int(totals.get(unit, 0)) - dropped[unit]
        rejected, faulted = (int(ended.get((unit, stage, outcome), 0)) for outcome in _DROPPED)
        if (row.inputs, row.rejected, row.faulted) != (recount, rejected, faulted):
            broken.append(
                f"{stage}: dataset.json counts {row.inputs} in, {row.rejected} rejected, {row.faulted} faulted; "
                f"outcomes.parquet {recount}, {rejected}, {faulted}"
            )
        dropped[unit] += rejected + faulted
    strays = {(unit, stage) for unit, stage, _ in ended if stage not in counts}
    broken += [f"outcomes.parquet: a {unit} ended at {stage}, which is not a stage" for unit, stage in sorted(strays)]
    return {"holds": not broken, "stages": len(counts), "broken": broken}


def sum_stage_cpu(source: ReportSource) -> dict[str, float]:
    """Sum the CPU seconds of each measured stage."""
    clips = source.clips
    seconds = {stage: round_figure(value) for stage, value in clips.video_cpu_s.items()}
    for step in clips.steps:
        column = clips.frame.get(f"{CPU}{step}")
        if column is not None and column.notna().any():
            seconds[step] = round_figure(column.sum())
    return seconds


def summarize_reasons(source: ReportSource) -> dict[str, Any]:
    """Count videos, shots and clips by reason, with shares; reasons without any have 0."""
    outcomes = source.outcomes
    totals = {unit: int((outcomes["unit"] == unit).sum()) for unit in UNITS}
    dropped = outcomes[outcomes["outcome"].isin(_DROPPED)].groupby(["reason", "unit"]).size().to_dict()
    names = [*map(str, Reason), *sorted({reason for reason, _ in dropped} - set(map(str, Reason)))]
    found = {}
    for name in names:
        by_unit = {unit: int(dropped.get((name, unit), 0)) for unit in UNITS}
        found[name] = {
            "count": sum(by_unit.values()),
            **{f"{unit}s": number for unit, number in by_unit.items()},
            **{f"share_of_{unit}s": compute_share(number, totals[unit]) or 0.0 for unit, number in by_unit.items()},
        }
    return found


def summarize_costs(source: ReportSource) -> dict[str, Any]:
    """Summarize CPU time: seconds by stage, per second of video, and per processed clip."""
    cpu, frame = sum_stage_cpu(source), source.clips.frame
    total = sum(cpu.values())
    stages = {}
    for stage, seconds in cpu.items():
        column = frame.get(f"{CPU}{stage}")
        ran = column.notna() if column is not None else None
        stages[stage] = {
            "cpu_s": seconds,
            "share": compute_share(seconds, total),
            "clips": int(ran.sum()) if ran is not None else None,
            "median_s": round_figure(column[ran].median()) if ran is not None else None,
            "per_video_second": compute_share(seconds, frame.loc[ran, "duration_s"].sum()) if ran is not None else None,
        }
    kept = float(source.index["duration_s"].sum())
    cpu_s = round_figure(total) if cpu else None
    return {"stages": stages, "cpu_s": cpu_s, "per_kept_second": compute_share(total, kept) or None}
