"""What became of every unit of a batch: the rows of outcomes.parquet and the counts by stage, from the same states."""

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
from pipelines.stages.records import reject_from_json
from shards.documents import StageCounts
from shards.format import transitions_detail
from shards.index import OUTCOMES_SCHEMA

_CLIP_STAGES = STAGES[STAGES.index("screen") :]


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Where the way of a unit ended, how, and why."""

    stage: str
    outcome: str
    reason: str = ""
    detail: str = ""
    score: float | None = None
    threshold: float | None = None


def end_of_video(state: VideoState) -> End:
    """How a video ended. RuntimeError where it is still to be worked on."""
    if state.outcome == MISSING:
        if state.failure is None:
            raise RuntimeError(f"{state.item.uri}: not settled at {state.stage} after all its work was done")
        return _failed(VIDEO_STAGES, state.stage, state.failure)
    return _rejected(state.stage, state.reject) if state.reject else End(stage=state.stage, outcome=state.outcome)


def ends_of_clips(
    states: ClipStates, videos: list[VideoState], duplicate_of: Mapping[int, str], *, building: bool = False
) -> Iterator[End]:
    """How each clip ended, in order. `duplicate_of` names, by place, the clip that a near-duplicate repeats. While a
    build goes on a clip that is still to be worked on is MISSING."""
    outcomes, stages = states.outcome.tolist(), states.stage.tolist()
    for index, (code, stage) in enumerate(zip(outcomes, stages, strict=True)):
        outcome = OUTCOME_CODES[code]
        if outcome == KEPT:
            twin = duplicate_of.get(index)
            if twin is None:
                yield End(stage=STAGES[-1], outcome=KEPT)
            else:
                detail = f"nearly the same frames as {twin}"
                yield _rejected(STAGES[-1], Reject(reason=Reason.NEAR_DUPLICATE, detail=detail))
        elif outcome == REJECTED:
            yield _rejected(STAGES[stage], states.reject(index))
        else:
            failure = states.failure(index) or videos[states.video[index]].failure
            if failure is not None:
                yield _failed(_CLIP_STAGES, STAGES[stage], failure)
            elif building:
                yield End(stage=STAGES[stage], outcome=MISSING)
            else:
                clip_id = states.rows["clip_id"][index].as_py()
                raise RuntimeError(f"{clip_id}: not settled at {STAGES[stage]} after all its work was done")


def _rejected(stage: str, reject: Reject) -> End:
    return End(
        stage=stage,
        outcome=REJECTED,
        reason=str(reject.reason),
        detail=reject.detail,
        score=reject.score,
        threshold=reject.threshold,
    )


def _failed(stages: tuple[str, ...], stage: str, failure: dict) -> End:
    """A fault belongs to the stage that raised; a source that cannot be had rejects at the stage that is missing."""
    if failure["kind"] == FAULTED:
        place = failure["stage"] if failure["stage"] in stages else stage
        return End(stage=place, outcome=FAULTED, reason="fault", detail=failure["error"])
    return End(stage=stage, outcome=REJECTED, reason=str(Reason.UNREADABLE), detail=failure["error"])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BatchOutcomes:
    """The table and the counts of one batch, and how each clip ended."""

    table: pa.Table
    counts: dict[str, StageCounts]
    clip_ends: list[End]

    @property
    def num_faulted(self) -> int:
        return sum(row.faulted for row in self.counts.values())

    @property
    def num_units(self) -> int:
        return len(self.table)


def collect_outcomes(states: BatchStates, duplicate_of: Mapping[int, str]) -> BatchOutcomes:
    """The outcome of every video, shot and clip of a settled batch."""
    clip_ends = list(ends_of_clips(states.clips, states.videos, duplicate_of))
    columns: dict[str, list] = {name: [] for name in OUTCOMES_SCHEMA.names}
    counts = _Counts()
    clips = states.clips.rows.select(["clip_id", "shot_index", "start_frame", "end_frame", "start_s", "end_s"])
    rows = clips.to_pydict()
    for video, (begin, end) in zip(states.videos, states.clip_spans(), strict=True):
        _add_video(columns, counts, video, rows, clip_ends, begin, end)
    table = pa.Table.from_pydict(columns, OUTCOMES_SCHEMA)
    return BatchOutcomes(table=table, counts=counts.rows(), clip_ends=clip_ends)


def _add_video(
    columns: dict[str, list], counts: "_Counts", video: VideoState, rows: dict[str, list], ends: list[End],
    begin: int, end: int,
) -> None:  # fmt: skip
    video_end = end_of_video(video)
    counts.add(VIDEO_STAGES, video_end.stage, video_end.outcome)
    common = (video.video_id, video.item.uri)
    if video.outcome != SPLIT:
        _append(columns, "video", common, "", (None, None, None, None), video_end)
        return
    shots = from_json(video.row["shots"])
    frames = video.row["num_frames"]
    last = max((shot["times"][1] for shot in shots), default=float(frames / video.probe.fps))
    said = transitions_detail([tuple(span) for span in from_json(video.row["transitions"])])
    split = End(stage="split", outcome=SPLIT, detail=said)
    _append(columns, "video", common, "", (0, frames, 0.0, last), split)
    place = begin
    for number, shot in enumerate(shots):
        reject = reject_from_json(shot["reject"])
        shot_end = _rejected("clip", reject) if reject else End(stage="clip", outcome=SPLIT)
        counts.add(("clip",), "clip", shot_end.outcome)
        _append(columns, "shot", common, "", (shot["start"], shot["end"], *shot["times"]), shot_end)
        while place < end and rows["shot_index"][place] == number:
            counts.add(_CLIP_STAGES, ends[place].stage, ends[place].outcome)
            span = tuple(rows[name][place] for name in ("start_frame", "end_frame", "start_s", "end_s"))
            _append(columns, "clip", common, rows["clip_id"][place], span, ends[place])
            place += 1


def _append(columns: dict[str, list], unit: str, common: tuple[str, str], clip_id: str, span: tuple, end: End) -> None:
    values = (unit, *common, clip_id, *span, end.stage, end.outcome, end.reason, end.detail, end.score, end.threshold)
    for column, value in zip(columns.values(), values, strict=True):
        column.append(value)


class _Counts:
    """What became of every stage's inputs: videos up to `split`, shots at `clip`, clips from `screen` on."""

    def __init__(self) -> None:
        self._ends: Counter = Counter()

    def add(self, stages: tuple[str, ...], ended: str, outcome: str) -> None:
        """One unit that entered the first of `stages` and ended at one of them."""
        self._ends[stages, ended, outcome] += 1

    def rows(self) -> dict[str, StageCounts]:
        """The accounting invariant, by stage."""
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
