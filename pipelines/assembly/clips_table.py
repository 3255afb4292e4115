"""All measurements of each clip, as a part of the table `clips`, also those beyond the threshold that rejected it.

A clip that a tightened threshold rejects was measured further by an earlier build: its outcome under other thresholds
is known.
"""

import json
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from humove.reasons import Reason
from pipelines.assembly.batch_outcomes import UnitOutcome
from pipelines.category import format_category
from pipelines.engine.plan import Plan
from pipelines.engine.resolve import MISSING, SPLIT, BatchStates, ClipStates
from pipelines.engine.rows import CPU, SCORE, from_json
from pipelines.splits import assign_split
from pipelines.stages.records import parse_reject
from shards.clips_table import CLIP_SCHEMA

OPEN = "open"
"""The outcome of a clip that a running build has not finished."""


def build_clips_table(plan: Plan, states: BatchStates, ends: Sequence[UnitOutcome], batch: int) -> pa.Table:
    """Build the table: one row per clip, in the order of the states, with the columns of shards.clips_table."""
    clips = states.clips
    rows = clips.rows
    videos = [v.video if v.outcome == SPLIT else None for v in states.videos]
    owners = [videos[place] for place in clips.video.tolist()]
    split_by_video = [video and assign_split(video, plan.config.splits) for video in videos]
    facts = [from_json(text) or {} for text in rows["facts"].to_pylist()]
    stopped, stopped_reason = _find_stops(clips, ends)
    start_s, end_s = (rows[name].to_numpy() for name in ("start_s", "end_s"))
    columns = {
        "clip_id": rows["clip_id"],
        "video_id": [video.video_id for video in owners],
        "uri": [video.uri for video in owners],
        "batch": np.full(len(clips), batch),
        "split": [split_by_video[place] for place in clips.video.tolist()],
        "category": [
            format_category(plan.config.category, v.source, by_step) for v, by_step in zip(owners, facts, strict=True)
        ],
        "caption": [
            v.source.caption or by_step.get("caption", {}).get("full", "")
            for v, by_step in zip(owners, facts, strict=True)
        ],
        "start_frame": rows["start_frame"],
        "end_frame": rows["end_frame"],
        "start_s": start_s,
        "end_s": end_s,
        "duration_s": end_s - start_s,
        "width": [video.width for video in owners],
        "height": [video.height for video in owners],
        "fps": [float(video.fps) for video in owners],
        "stage": [end.stage for end in ends],
        "outcome": [OPEN if end.outcome == MISSING else end.outcome for end in ends],
        "reason": [end.reason for end in ends],
        "detail": [end.detail for end in ends],
        "reached": _find_reached(plan, states),
        "stopped": stopped,
        "stopped_reason": stopped_reason,
        "signature": pa.FixedSizeListArray.from_arrays(pa.array(clips.signatures.ravel()), 8).cast(
            CLIP_SCHEMA.field("signature").type
        ),
    }
    numbers = sorted(name for name in rows.column_names if name.startswith(SCORE))
    numbers += [f"{CPU}{step.name}" for step in plan.steps]
    schema = pa.schema([*CLIP_SCHEMA, *((name, pa.float64()) for name in numbers)])
    columns |= {name: pa.array(clips.get_column(name), from_pandas=True) for name in numbers}
    table = pa.Table.from_pydict(columns, schema)
    return table.replace_schema_metadata({"humove": json.dumps(_describe_table(plan, states))})


def _describe_table(plan: Plan, states: BatchStates) -> dict:
    """Return the table's metadata: the steps, the thresholds, the settings, and the CPU seconds of whole videos."""
    steps = ["screen", *(step.name for step in plan.steps)]
    video_cpu_s: Counter = Counter()
    for video in states.videos:
        if video.outcome == SPLIT or video.stage == "scan":
            video_cpu_s["scan"] += video.row.get("cpu.scan", 0.0)
            video_cpu_s["split"] += video.row.get("cpu.split", 0.0)
    return {
        "steps": steps,
        "bars": [thresholds.to_json() for thresholds in plan.step_thresholds.values()],
        "video_cpu_s": dict(video_cpu_s),
        "config": plan.config.get_data_settings(),
    }


def _find_reached(plan: Plan, states: BatchStates) -> list[str]:
    """Return the last step of each clip for which it and all steps before have a record."""
    names = np.array(["screen", *(step.name for step in plan.steps)])
    count, alive = np.zeros(len(states.clips), np.int64), np.ones(len(states.clips), bool)
    for step in plan.steps:
        alive &= states.clips.measured[step.name]
        count += alive
    return names[count].tolist()


def _find_stops(clips: ClipStates, ends: Sequence[UnitOutcome]) -> tuple[list[str], list[str]]:
    """Return the step whose precondition failed, independent of thresholds, and the reason; "" where none did."""
    stages, reasons = clips.rows["reject_stage"].to_pylist(), [""] * len(ends)
    texts = clips.rows["reject"].to_pylist()
    for index, (stage, text, end) in enumerate(zip(stages, texts, ends, strict=True)):
        if end.reason == Reason.NOT_SELECTED:  # no threshold would keep it
            stages[index], reasons[index] = end.stage, end.reason
        elif stage:
            reasons[index] = str(parse_reject(from_json(text)).reason)
    return stages, reasons
