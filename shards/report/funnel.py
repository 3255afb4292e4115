"""The funnel: what became of every stage's inputs, why, what it cost, and whether nothing got lost on the way."""

from collections import Counter, defaultdict
from typing import Any

import pandas as pd

from humove.reasons import Reason
from shards.clips import CPU
from shards.documents import StageCounts
from shards.report.distribution import share, tidy
from shards.report.source import ReportSource

UNITS = ("video", "shot", "clip")
_DROPPED = ("rejected", "faulted")
_VIDEO_STAGES = ("ingest", "probe", "scan", "split")


def unit_of(stage: str) -> str:
    """What a stage works on: videos until they are cut, then shots, then clips."""
    return "video" if stage in _VIDEO_STAGES else "shot" if stage == "clip" else "clip"


def funnel(source: ReportSource) -> dict[str, Any]:
    """stages: inputs, emitted, rejected, faulted, their shares, reasons, CPU seconds; law: whether all adds up."""
    counts, outcomes = source.doc.counts, source.outcomes
    dropped = outcomes[outcomes["outcome"].isin(_DROPPED)]
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    for (stage, reason), rows in dropped.groupby(["stage", "reason"]):
        reasons[stage][reason] += len(rows)
    cpu = stage_cpu(source)
    stages = {}
    for stage, row in counts.items():
        stages[stage] = {
            "unit": unit_of(stage),
            **row.model_dump(),
            "emitted_share": share(row.emitted, row.inputs),
            "rejected_share": share(row.rejected, row.inputs),
            "faulted_share": share(row.faulted, row.inputs),
            "reasons": dict(sorted(reasons[stage].items(), key=lambda item: (-item[1], item[0]))),
            "cpu_s": cpu.get(stage),
        }
    return {"stages": stages, "law": law(counts, outcomes), "outcome_rows": len(outcomes)}


def law(counts: dict[str, StageCounts], outcomes: pd.DataFrame) -> dict[str, Any]:
    """Whether inputs = emitted + rejected + faulted at every stage, each stage takes in what the one before emitted,
    and a recount of outcomes.parquet agrees; and every place where that does not hold, in words."""
    broken = []
    before: dict[str, tuple[str, int]] = {}
    totals = outcomes["unit"].value_counts()
    ended = outcomes[outcomes["outcome"].isin(_DROPPED)].groupby(["unit", "stage", "outcome"]).size().to_dict()
    gone = dict.fromkeys(UNITS, 0)
    for stage, row in counts.items():
        unit = unit_of(stage)
        if row.inputs != row.emitted + row.rejected + row.faulted:
            broken.append(f"{stage}: {row.inputs} in, {row.emitted} + {row.rejected} + {row.faulted} out")
        if unit in before and before[unit][1] != row.inputs:
            broken.append(f"{stage}: {row.inputs} in, {before[unit][1]} came out of {before[unit][0]}")
        before[unit] = (stage, row.emitted)
        told = int(totals.get(unit, 0)) - gone[unit]
        rejected, faulted = (int(ended.get((unit, stage, outcome), 0)) for outcome in _DROPPED)
        if (row.inputs, row.rejected, row.faulted) != (told, rejected, faulted):
            broken.append(
                f"{stage}: dataset.json counts {row.inputs} in, {row.rejected} rejected, {row.faulted} faulted; "
                f"outcomes.parquet {told}, {rejected}, {faulted}"
            )
        gone[unit] += rejected + faulted
    strays = {(unit, stage) for unit, stage, _ in ended if stage not in counts}
    broken += [f"outcomes.parquet: a {unit} ended at {stage}, which is no stage" for unit, stage in sorted(strays)]
    return {"holds": not broken, "stages": len(counts), "broken": broken}


def stage_cpu(source: ReportSource) -> dict[str, float]:
    """CPU seconds by stage, of those that were measured."""
    clips = source.clips
    seconds = {stage: tidy(value) for stage, value in clips.video_cpu_s.items()}
    for step in clips.steps:
        column = clips.frame.get(f"{CPU}{step}")
        if column is not None and column.notna().any():
            seconds[step] = tidy(column.sum())
    return seconds


def reasons(source: ReportSource) -> dict[str, Any]:
    """Of every reason, those that never struck too: how many videos, shots and clips, and their shares."""
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
            **{f"share_of_{unit}s": share(number, totals[unit]) or 0.0 for unit, number in by_unit.items()},
        }
    return found


def costs(source: ReportSource) -> dict[str, Any]:
    """Where the CPU's time went: seconds by stage, by second of video, and for each clip that a stage worked on."""
    cpu, frame = stage_cpu(source), source.clips.frame
    total = sum(cpu.values())
    stages = {}
    for stage, seconds in cpu.items():
        column = frame.get(f"{CPU}{stage}")
        ran = column.notna() if column is not None else None
        stages[stage] = {
            "cpu_s": seconds,
            "share": share(seconds, total),
            "clips": int(ran.sum()) if ran is not None else None,
            "median_s": tidy(column[ran].median()) if ran is not None else None,
            "per_video_second": share(seconds, float(frame.loc[ran, "duration_s"].sum())) if ran is not None else None,
        }
    kept = float(source.index["duration_s"].sum())
    return {"stages": stages, "cpu_s": tidy(total) if cpu else None, "per_kept_second": share(total, kept) or None}
