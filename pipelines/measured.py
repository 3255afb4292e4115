"""All that the ledger knows of each clip, as the rows of clips.parquet: also what lies beyond the bar that it missed.

A clip that a tightened bar rejects was measured further by an earlier build; what it would come to under other bars
is known then.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from annotators.aesthetic import BARS as AESTHETIC_BARS
from annotators.captions.config import BARS as CAPTION_BARS
from annotators.main_person import BARS as TRACK_BARS
from annotators.motion_quality import BARS as QUALITY_BARS
from annotators.picture.measure import BARS as PICTURE_BARS
from humove.reasons import Reason
from pipelines.category import category_text
from pipelines.outcomes import clip_end
from pipelines.plan import Plan
from pipelines.splits import split_of
from pipelines.stages.pose2d import BARS as POSE2D_BARS
from pipelines.stages.screen import BARS as SCREEN_BARS
from pipelines.walk import MISSING, SPLIT, ClipState, InputState
from shards.clips import CPU, SCORE, ClipsWriter

STAGE_BARS = (SCREEN_BARS, TRACK_BARS, PICTURE_BARS, AESTHETIC_BARS, POSE2D_BARS, QUALITY_BARS, CAPTION_BARS)
"""Every bar that a clip is held against, in the order of the stages."""


OPEN = "open"
"""The outcome of a clip that a running build has still to finish."""


def measured(
    plan: Plan, state: InputState, twins: dict[str, str], batch: int, building: bool
) -> Iterator[dict[str, Any]]:
    """The rows of one input's clips, by the columns of shards.clips."""
    if state.outcome != SPLIT:
        return
    video = state.video
    common = {
        "video_id": video.video_id,
        "uri": video.uri,
        "batch": batch,
        "split": split_of(video, plan.config.splits),
        "width": video.width,
        "height": video.height,
        "fps": float(video.fps),
    }
    for shot in state.shots:
        for clip in shot.clips:
            yield common | _row(plan, clip, twins, building)


def _row(plan: Plan, state: ClipState, twins: dict[str, str], building: bool) -> dict[str, Any]:
    clip = state.clip
    place, keys = plan.ledger.clip(clip.clip_id), plan.clip_keys(clip)
    scores, cpu_s, facts = dict(state.scores), {}, {}
    reached, stopped, stopped_reason = "screen", "", ""
    for step in plan.steps:
        record = place.read(step.name, keys[step.name])
        if record is None:
            break
        reached = step.name
        scores.update(record.scores)
        cpu_s[step.name] = record.cpu_s
        facts[step.name] = record.facts
        if record.reject is not None:
            stopped, stopped_reason = step.name, str(record.reject.reason)
            break
    if state.reject is not None and state.reject.reason == Reason.NOT_SELECTED:  # no bar brings it back
        stopped, stopped_reason = state.stage, str(state.reject.reason)
    stage, outcome, why = clip_end(state, twins)
    if building and state.outcome == MISSING:
        stage, outcome, why = state.stage, OPEN, {}
    return {
        "clip_id": clip.clip_id,
        "caption": clip.video.source.caption or facts.get("caption", {}).get("full", ""),
        "category": category_text(plan.config.category, clip.video.source, facts),
        "start_frame": clip.start_frame,
        "end_frame": clip.end_frame,
        "start_s": state.times[0],
        "end_s": state.times[1],
        "duration_s": state.times[1] - state.times[0],
        "stage": stage,
        "outcome": outcome,
        "reason": why.get("reason", ""),
        "detail": why.get("detail", ""),
        "reached": reached,
        "stopped": stopped,
        "stopped_reason": stopped_reason,
        "signature": list(state.signature),
        **{f"{SCORE}{name}": float(value) for name, value in scores.items()},
        **{f"{CPU}{name}": value for name, value in cpu_s.items()},
    }


def _video_cpu_s(plan: Plan, video_id: str) -> dict[str, float]:
    """CPU seconds of what is done once a video."""
    place, scans = plan.ledger.video(video_id), plan.scan_stage()
    records = {"scan": place.read(scans.name, scans.key()), "split": place.read("split", plan.split_key)}
    return {stage: record.cpu_s for stage, record in records.items() if record is not None}


class MeasuredWriter:
    """Rows of clips.parquet, one by one; the table appears at the end of the `with` block.

    The rows wait on disk, since the columns are known only when all of them have been seen. While a build is running
    its unfinished clips are open.
    """

    def __init__(self, path: Path, plan: Plan, *, building: bool = False) -> None:
        self._path, self._plan, self._building = path, plan, building
        self._scores: set[str] = set()
        self._video_cpu_s: Counter = Counter()
        self._waiting = path.with_suffix(".jsonl")
        self._lines: TextIO | None = None

    def __enter__(self) -> Self:
        self._lines = self._waiting.open("w", encoding="utf-8")
        return self

    def add(self, state: InputState, twins: dict[str, str], batch: int) -> None:
        """Adds the clips of one input."""
        if state.stage != "ingest":
            self._video_cpu_s.update(_video_cpu_s(self._plan, state.video_id))
        for row in measured(self._plan, state, twins, batch, self._building):
            self._scores.update(name.removeprefix(SCORE) for name in row if name.startswith(SCORE))
            self._lines.write(json.dumps(row) + "\n")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._lines.close()
        try:
            if kind is None:
                self._write()
        finally:
            self._waiting.unlink()

    def _write(self) -> None:
        plan = self._plan
        steps = ["screen", *(step.name for step in plan.steps)]
        with (
            ClipsWriter(
                self._path,
                scores=sorted(self._scores),
                steps=steps,
                video_cpu_s=dict(self._video_cpu_s),
                bars=[bars for bars in STAGE_BARS if bars.stage in steps],
                config=plan.config.data_settings(),
            ) as table,
            self._waiting.open(encoding="utf-8") as lines,
        ):
            for line in lines:
                table.append(json.loads(line))
