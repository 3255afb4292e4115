"""The outcomes of all units of a batch: the rows of outcomes.parquet and the counts by stage."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from humove.reasons import Reason
from humove.stage import Reject
from pipelines.engine.plan import STAGES, VIDEO_STAGES
from pipelines.engine.resolve import (
    FAULTED,
    KEPT,
    MISSING,
    OUTCOME_CODES,
    REJECTED,
    SPLIT,
    BatchStates,
    ClipStates,
    VideoState,
)
from pipelines.engine.rows import from_json
from pipelines.stages.records import parse_reject
from shards.format import format_transitions
from shards.index import OUTCOMES_SCHEMA
from shards.schemas import StageCounts

_CLIP_STAGES = STAGES[STAGES.index("screen") :]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitOutcome:
    """The outcome of a unit: its last stage, how it ended, and why."""

    stage: str
    outcome: str
    reason: str = ""
    detail: str = ""
    score: float | None = None
    threshold: float | None = None


def get_video_outcome(state: VideoState) -> UnitOutcome:
    """Return the outcome of a video. Raises RuntimeError where work on it is missing."""
    if state.outcome == MISSING:
        if state.failure is None:
            raise RuntimeError(f"{state.item.uri}: not settled at {state.stage} after all its jobs ended")
        return _make_failed(VIDEO_STAGES, state.stage, state.failure)
    if state.reject:
        return _make_rejected(state.stage, state.reject)
    return UnitOutcome(stage=state.stage, outcome=state.outcome)


def get_clip_outcomes(
    states: ClipStates, videos: list[VideoState], duplicate_of: Mapping[int, str], *, building: bool = False
) -> Iterator[UnitOutcome]:
    """Yield the outcome of each clip, in order. `duplicate_of`: by index, the clip that a near-duplicate repeats.

    In a running build (`building`) unfinished clips are MISSING; else they raise RuntimeError.
    """
    outcomes, stages = states.outcome.tolist(), states.stage.tolist()
    for index, (code, stage) in enumerate(zip(outcomes, stages, strict=True)):
        outcome = OUTCOME_CODES[code]
        if outcome == KEPT:
            other = duplicate_of.get(index)
            if other is None:
                yield UnitOutcome(stage=STAGES[-1], outcome=KEPT)
            else:
                detail = f"nearly the same frames as {other}"
                yield _make_rejected(STAGES[-1], Reject(reason=Reason.NEAR_DUPLICATE, detail=detail))
        elif outcome == REJECTED:
            yield _make_rejected(STAGES[stage], states.get_reject(index))
        else:
            failure = states.get_failure(index) or videos[states.video[index]].failure
            if failure is not None:
                yield _make_failed(_CLIP_STAGES, STAGES[stage], failure)
            elif building:
                yield UnitOutcome(stage=STAGES[stage], outcome=MISSING)
            else:
                clip_id = states.rows["clip_id"][index].as_py()
                raise RuntimeError(f"{clip_id}: not settled at {STAGES[stage]} after all its jobs ended")


def _make_rejected(stage: str, reject: Reject) -> UnitOutcome:
    return UnitOutcome(
        stage=stage,
        outcome=REJECTED,
        reason=str(reject.reason),
        detail=reject.detail,
        score=reject.score,
        threshold=reject.threshold,
    )


def _make_failed(stages: tuple[str, ...], stage: str, failure: dict) -> UnitOutcome:
    """Return a fault at the stage that raised, or the rejection of an unavailable source at the missing stage."""
    if failure["kind"] == FAULTED:
        place = failure["stage"] if failure["stage"] in stages else stage
        return UnitOutcome(stage=place, outcome=FAULTED, reason="fault", detail=failure["error"])
    return UnitOutcome(stage=stage, outcome=REJECTED, reason=str(Reason.UNREADABLE), detail=failure["error"])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BatchOutcomes:
    """The outcomes table and the counts of one batch, and the outcome of each clip."""

    table: pa.Table
    counts: dict[str, StageCounts]
    clip_outcomes: list[UnitOutcome]

    @property
    def num_faulted(self) -> int:
        return sum(row.faulted for row in self.counts.values())

    @property
    def num_units(self) -> int:
        return len(self.table)


def collect_outcomes(states: BatchStates, duplicate_of: Mapping[int, str]) -> BatchOutcomes:
    """Return the outcome of every video, shot and clip of a finished batch."""
    clip_outcomes = list(get_clip_outcomes(states.clips, states.videos, duplicate_of))
    columns: dict[str, list] = {name: [] for name in OUTCOMES_SCHEMA.names}
    counts = _StageCounter()
    clips = states.clips.rows.select(["clip_id", "shot_index", "start_frame", "end_frame", "start_s", "end_s"])
    rows = clips.to_pydict()
    for video, (begin, end) in zip(states.videos, states.get_clip_spans(), strict=True):
        _add_video(columns, counts, video, rows, clip_outcomes, begin, end)
    table = pa.Table.from_pydict(columns, OUTCOMES_SCHEMA)
    return BatchOutcomes(table=table, counts=counts.count_by_stage(), clip_outcomes=clip_outcomes)


def _add_video(
    columns: dict[str, list], counts: "_StageCounter", video: VideoState, rows: dict[str, list],
    clip_outcomes: list[UnitOutcome], begin: int, end: int,
) -> None:  # fmt: skip
    video_end = get_video_outcome(video)
    counts.add(VIDEO_STAGES, video_end.stage, video_end.outcome)
    common = (video.video_id, video.item.uri)
    if video.outcome != SPLIT:
        _append_row(columns, "video", common, "", (None, None, None, None), video_end)
        return
    shots = from_json(video.row["shots"])
    frames = video.row["num_frames"]
    last = max((shot["times"][1] for shot in shots), default=float(frames / video.probe.fps))
    transitions = format_transitions([tuple(span) for span in from_json(video.row["transitions"])])
    split = UnitOutcome(stage="split", outcome=SPLIT, detail=transitions)
    _append_row(columns, "video", common, "", (0, frames, 0.0, last), split)
    place = begin
    for number, shot in enumerate(shots):
        reject = parse_reject(shot["reject"])
        shot_end = _make_rejected("clip", reject) if reject else UnitOutcome(stage="clip", outcome=SPLIT)
        counts.add(("clip",), "clip", shot_end.outcome)
        _append_row(columns, "shot", common, "", (shot["start"], shot["end"], *shot["times"]), shot_end)
        while place < end and rows["shot_index"][place] == number:
            counts.add(_CLIP_STAGES, clip_outcomes[place].stage, clip_outcomes[place].outcome)
            span = tuple(rows[name][place] for name in ("start_frame", "end_frame", "start_s", "end_s"))
            _append_row(columns, "clip", common, rows["clip_id"][place], span, clip_outcomes[place])
            place += 1


def _append_row(
    columns: dict[str, list], unit: str, common: tuple[str, str], clip_id: str, span: tuple, end: UnitOutcome
) -> None:
    values = (unit, *common, clip_id, *span, end.stage, end.outcome, end.reason, end.detail, end.score, end.threshold)
    for column, value in zip(columns.values(), values, strict=True):
        column.append(value)


class _StageCounter:
    """The counts of every stage's inputs: videos up to `split`, shots at `clip`, clips from `screen` on."""

    def __init__(self) -> None:
        self._ends: Counter = Counter()

    def add(self, stages: tuple[str, ...], ended: str, outcome: str) -> None:
        """Count one unit that entered the first of `stages` and ended at the stage `ended`."""
        self._ends[stages, ended, outcome] += 1

    def count_by_stage(self) -> dict[str, StageCounts]:
        """Return the counts by stage, under the accounting invariant: inputs = emitted + rejected + faulted."""
        inputs, rejected, faulted = Counter(), Counter(), Counter()
        for (stages, ended, outcome), count in self._ends.items():
            for stage in stages:
                inputs[stage] += count
                if stage == ended:
                    break
            rejected[ended] += count * (outcome == REJECTED)
            faulted[ended] += count * (outcome == FAULTED)
        return {
            stage: StageCounts(
                inputs=inputs[stage],
                emitted=inputs[stage] - rejected[stage] - faulted[stage],
                rejected=rejected[stage],
                faulted=faulted[stage],
            )
            for stage in STAGES
        }
