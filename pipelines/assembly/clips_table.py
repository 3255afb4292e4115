"""Everything that was measured of each clip, as a part of the table `clips`: also what lies beyond the threshold that a
clip missed.

A clip that a tightened threshold rejects was measured further by an earlier build; what it would come to under other
thresholds is known then.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pyarrow as pa

from humove.reasons import Reason
from pipelines.assembly.batch_outcomes import End
from pipelines.category import category_text
from pipelines.engine.plan import Plan
from pipelines.engine.resolve import MISSING, SPLIT, BatchStates, ClipStates
from pipelines.engine.rows import CPU, SCORE, from_json
from pipelines.splits import split_of
from pipelines.stages.records import reject_from_json
from shards.clips import CLIP_SCHEMA

OPEN = "open"
"""The outcome of a clip that a running build has still to finish."""


def build_clips_table(plan: Plan, states: BatchStates, ends: Sequence[End], batch: int) -> pa.Table:
    """One row a clip, in the order of the states, by the columns of shards.clips."""
    clips = states.clips
    rows = clips.rows
    videos = [v.video if v.outcome == SPLIT else None for v in states.videos]
    owners = [videos[place] for place in clips.video.tolist()]
    split_by_video = [video and split_of(video, plan.config.splits) for video in videos]
    facts = [from_json(text) or {} for text in rows["facts"].to_pylist()]
    stopped, stopped_reason = _stops(clips, ends)
    start_s, end_s = (rows[name].to_numpy() for name in ("start_s", "end_s"))
    columns = {
        "clip_id": rows["clip_id"],
        "video_id": [video.video_id for video in owners],
        "uri": [video.uri for video in owners],
        "batch": np.full(len(clips), batch),
        "split": [split_by_video[place] for place in clips.video.tolist()],
        "category": [
            category_text(plan.config.category, v.source, said) for v, said in zip(owners, facts, strict=True)
        ],
        "caption": [
            v.source.caption or said.get("caption", {}).get("full", "") for v, said in zip(owners, facts, strict=True)
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
        "reached": _reached(plan, states),
        "stopped": stopped,
        "stopped_reason": stopped_reason,
        "signature": pa.FixedSizeListArray.from_arrays(pa.array(clips.signatures.ravel()), 8).cast(
            CLIP_SCHEMA.field("signature").type
        ),
    }
    numbers = sorted(name for name in rows.column_names if name.startswith(SCORE))
    numbers += [f"{CPU}{step.name}" for step in plan.steps]
    schema = pa.schema([*CLIP_SCHEMA, *((name, pa.float64()) for name in numbers)])
    columns |= {name: pa.array(clips.column(name), from_pandas=True) for name in numbers}
    table = pa.Table.from_pydict(columns, schema)
    return table.replace_schema_metadata({"humove": json.dumps(_describe(plan, states))})


def _describe(plan: Plan, states: BatchStates) -> dict:
    """What the table says of itself: the steps, the thresholds, the settings, and the CPU seconds of whole videos."""
    steps = ["screen", *(step.name for step in plan.steps)]
    video_cpu_s: Counter = Counter()
    for video in states.videos:
        if video.outcome == SPLIT or video.stage == "scan":
            video_cpu_s["scan"] += video.row.get("cpu.scan", 0.0)
            video_cpu_s["split"] += video.row.get("cpu.split", 0.0)
    return {
        "steps": steps,
        "bars": [asdict(bars) for bars in plan.step_bars.values()],
        "video_cpu_s": dict(video_cpu_s),
        "config": plan.config.data_settings(),
    }


def _reached(plan: Plan, states: BatchStates) -> list[str]:
    """The last step of each clip that has a record, with all before it."""
    names = np.array(["screen", *(step.name for step in plan.steps)])
    count, alive = np.zeros(len(states.clips), np.int64), np.ones(len(states.clips), bool)
    for step in plan.steps:
        alive &= states.clips.measured[step.name]
        count += alive
    return names[count].tolist()


def _stops(clips: ClipStates, ends: Sequence[End]) -> tuple[list[str], list[str]]:
    """The step whose precondition failed, whatever the thresholds, and its reason; "" where none did."""
    stages, reasons = clips.rows["reject_stage"].to_pylist(), [""] * len(ends)
    texts = clips.rows["reject"].to_pylist()
    for index, (stage, text, end) in enumerate(zip(stages, texts, ends, strict=True)):
        if end.reason == Reason.NOT_SELECTED:  # no threshold brings it back
            stages[index], reasons[index] = end.stage, end.reason
        elif stage:
            reasons[index] = str(reject_from_json(from_json(text)).reason)
    return stages, reasons
