"""Where every input and clip of a batch stands under the present settings: what is settled, and what is to be done.

Planning the work and assembling the data set ask the same function, so that they cannot disagree. Verdicts are computed
column by column: a million clips take seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from humove.reasons import Reason
from humove.stage import Reject
from humove.types import VideoRef
from humove.video.probe import Probe
from pipelines.engine.plan import STAGES, Plan
from pipelines.engine.rows import KEY, SCORE, from_json, unpack_signatures
from pipelines.engine.state import StateTables
from pipelines.inputs.reference import InputRef
from pipelines.marks import judge as judge_mark
from pipelines.stages.probe_json import probe_from_json
from pipelines.stages.records import reject_from_json
from shards.format import SHARDS_FOLDER

MISSING, REJECTED, FAULTED, SPLIT, KEPT = "missing", "rejected", "faulted", "split", "kept"
OUTCOME_CODES = (MISSING, REJECTED, FAULTED, KEPT)
_MISSING, _REJECTED, _FAULTED, _KEPT = range(4)


@dataclass(kw_only=True, eq=False)
class VideoState:
    """An input: the stage at which it ended or is missing; SPLIT where it has clips."""

    item: InputRef
    row: dict
    """Its row of the state table; empty where there is none yet."""
    stage: str
    outcome: str
    reject: Reject | None = None
    failure: dict | None = None

    @property
    def video_id(self) -> str:
        return self.row.get("video_id", "")

    @cached_property
    def probe(self) -> Probe:
        return probe_from_json(from_json(self.row["probe"]))

    @property
    def units(self) -> tuple[tuple[int | None, int | None], ...]:
        return tuple(map(tuple, from_json(self.row.get("units")) or ()))

    @cached_property
    def video(self) -> VideoRef:
        """The video of a split input."""
        probe = self.probe
        return VideoRef(
            video_id=self.video_id,
            uri=self.item.uri,
            width=probe.width,
            height=probe.height,
            fps=probe.fps,
            num_frames=self.row["num_frames"],
            source=self.item.source,
            focal_35mm=probe.focal_35mm,
        )


@dataclass(kw_only=True, eq=False)
class ClipStates:
    """The clips of a batch, in the order of inputs, shots and clips; arrays over N clips."""

    plan: Plan
    rows: pa.Table
    """Their rows of the state table, one each."""
    video: np.ndarray
    """(N,) int64: the place of the clip's input in the batch."""
    outcome: np.ndarray
    """(N,) int8: a place in OUTCOME_CODES."""
    stage: np.ndarray
    """(N,) int8: a place in STAGES: where its way ended, or the step that is missing; len(STAGES) where it is kept."""
    bar: np.ndarray
    """(N,) int64: which bar of the stage decided; -1 where none did."""
    measured: dict[str, np.ndarray]
    """(N,) bool by step: whether it has a record under the present settings."""
    _rejects: dict[int, Reject] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.video)

    @cached_property
    def clip_ids(self) -> list[str]:
        return self.rows["clip_id"].to_pylist()

    @property
    def kept(self) -> np.ndarray:
        """(N,) bool."""
        return self.outcome == _KEPT

    @property
    def missing(self) -> np.ndarray:
        """(N,) bool: a step has to run, also those that failed in an earlier run."""
        return self.outcome == _MISSING

    @property
    def signatures(self) -> np.ndarray:
        """(N, 8) uint64."""
        return unpack_signatures(self.rows["signature"])

    def column(self, name: str) -> np.ndarray:
        """A column of numbers, (N,) float64, NaN where there is none."""
        if name not in self.rows.column_names:
            return np.full(len(self), np.nan)
        return self.rows[name].to_numpy(zero_copy_only=False).astype(np.float64)

    def failure(self, index: int) -> dict | None:
        """What the last run met with at the step that is missing."""
        text = self.rows["failure"][index].as_py()
        return from_json(text) if text and self.outcome[index] == _MISSING else None

    def reject(self, index: int) -> Reject | None:
        """Why the clip was rejected."""
        if index in self._rejects:
            return self._rejects[index]
        if self.outcome[index] != _REJECTED:
            return None
        stage = STAGES[self.stage[index]]
        if self.bar[index] < 0:
            return reject_from_json(from_json(self.rows["reject"][index].as_py()))
        bars = self.plan.step_bars[stage]
        name = f"{SCORE}{bars.bars[self.bar[index]].score}"
        value = self.rows[name][index].as_py() if name in self.rows.column_names else None
        return bars.explain(
            int(self.bar[index]), np.nan if value is None else value, getattr(self.plan.config, bars.stage)
        )

    def scores(self, index: int) -> dict[str, float]:
        """All that was measured of a clip up to where its way ended."""
        names = (name for name in self.rows.column_names if name.startswith(SCORE))
        values = ((name.removeprefix(SCORE), self.rows[name][index].as_py()) for name in names)
        return {name: value for name, value in values if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BatchStates:
    """Every input of a batch and its clips."""

    videos: list[VideoState]
    clips: ClipStates

    def clip_spans(self) -> list[tuple[int, int]]:
        """(start, end) of each input's clips among the batch's."""
        edges = np.searchsorted(self.clips.video, np.arange(len(self.videos) + 1))
        return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def resolve_batch(
    plan: Plan,
    items: Sequence[InputRef],
    tables: StateTables,
    earlier: set[str],
    shards: set[str] | None = None,
) -> BatchStates:
    """The states of a batch's inputs, in order.

    `earlier` holds the video ids of the batches before, and grows: a second file with the same bytes is a duplicate of
    the first. `shards` are the files that the committed data set lists: a video in any other is gone. None: all are.
    """
    videos = _resolve_videos(plan, items, tables.videos, earlier)
    split = {v.item.input_id: place for place, v in enumerate(videos) if v.outcome == SPLIT}
    rows, owner = _select_clips(plan, tables.clips, split, shards)
    return BatchStates(videos=videos, clips=_judge(plan, rows, owner, shards))


def _resolve_videos(plan: Plan, items: Sequence[InputRef], rows: pa.Table, earlier: set[str]) -> list[VideoState]:
    wanted = {"ingest_key": plan.ingest_key, "scan_key": plan.scan_key, "split_key": plan.split_key}
    reach = np.zeros(len(rows), np.int64)
    passed = np.ones(len(rows), bool)
    for name, key in wanted.items():
        passed &= _equals(rows[name], key)
        reach += passed
    best: dict[str, int] = {}
    for place, (input_id, far) in enumerate(zip(rows["input_id"].to_pylist(), reach.tolist(), strict=True)):
        if input_id not in best or far >= reach[best[input_id]]:
            best[input_id] = place
    chosen = rows.take(pa.array(list(best.values()), pa.int64())).to_pylist()
    far_of = {input_id: int(reach[place]) for input_id, place in best.items()}
    row_of = {row["input_id"]: row for row in chosen}
    failures = dict(zip(rows["input_id"].to_pylist(), rows["failure"].to_pylist(), strict=True))  # the latest row's
    states = []
    for item in items:
        name = item.input_id
        failure = from_json(failures.get(name))
        states.append(_resolve_video(item, row_of.get(name, {}), far_of.get(name, 0), failure, earlier))
    return states


def _resolve_video(item: InputRef, row: dict, reach: int, failure: dict | None, earlier: set[str]) -> VideoState:
    """`reach` counts the stages whose records are those of now."""
    if reach == 0:
        return VideoState(item=item, row=row, stage="ingest", outcome=MISSING, failure=failure)
    video_id = row["video_id"]
    if video_id and video_id in earlier:
        detail = f"the same bytes as an earlier input (video {video_id})"
        reject = Reject(reason=Reason.DUPLICATE, detail=detail)
        return VideoState(item=item, row=row, stage="ingest", outcome=REJECTED, reject=reject)
    stage = row["reject_stage"]
    if stage == "ingest" or (stage == "scan" and reach >= 2):
        if stage == "scan":
            earlier.add(video_id)
        reject = reject_from_json(from_json(row["reject"]))
        return VideoState(item=item, row=row, stage=stage, outcome=REJECTED, reject=reject)
    earlier.add(video_id)
    if reach < 3:
        return VideoState(item=item, row=row, stage=("scan", "split")[reach - 1], outcome=MISSING, failure=failure)
    return VideoState(item=item, row=row, stage="split", outcome=SPLIT)


def _equals(column: pa.ChunkedArray, value: str) -> np.ndarray:
    return pc.fill_null(pc.equal(column, value), False).to_numpy(zero_copy_only=False)


def _select_clips(
    plan: Plan, rows: pa.Table, split: dict[str, int], shards: set[str] | None
) -> tuple[pa.Table, np.ndarray]:
    """One row for each clip of the split inputs: that with most steps measured under the present settings, the latest
    of several. And each one's place in the batch."""
    inputs = rows["input_id"].combine_chunks().dictionary_encode()
    places = np.array([split.get(name, -1) for name in inputs.dictionary.to_pylist()], np.int64)
    owner = places[inputs.indices.to_numpy(zero_copy_only=False)] if len(rows) else np.zeros(0, np.int64)
    right = (owner >= 0) & _equals(rows["split_key"], plan.split_key)
    at = np.flatnonzero(right)
    rows, owner = rows.take(pa.array(at)), owner[at]
    measured = np.zeros(len(rows), np.int64)
    for step in plan.steps:
        measured += _is_measured(plan, step.name, rows, shards)
    shot, clip = (rows[name].to_numpy(zero_copy_only=False) for name in ("shot_index", "clip_index"))
    order = np.lexsort((np.arange(len(rows)), measured, clip, shot, owner))
    same = (
        (owner[order][1:] == owner[order][:-1])
        & (shot[order][1:] == shot[order][:-1])
        & (clip[order][1:] == clip[order][:-1])
    )
    last = order[np.append(~same, True)] if len(order) else order
    return rows.take(pa.array(last)), owner[last]


def _is_measured(plan: Plan, step: str, rows: pa.Table, shards: set[str] | None) -> np.ndarray:
    """(N,) bool: whether the step's record was made under the present settings, and its video is still there."""
    if f"{KEY}{step}" not in rows.column_names:
        return np.zeros(len(rows), bool)
    found = _equals(rows[f"{KEY}{step}"], plan.step_keys[step])
    if step == "encode":
        files = rows["mp4_file"].combine_chunks().dictionary_encode()
        there = [
            bool(name) and (shards is None or not name.startswith(f"{SHARDS_FOLDER}/") or name in shards)
            for name in files.dictionary.to_pylist()
        ]
        at = files.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        own = _equals(rows["mp4_origin"], "")
        found &= np.append(np.array(there, bool), False)[at] | (~own & (at >= 0))
    return found


def _judge(plan: Plan, rows: pa.Table, owner: np.ndarray, shards: set[str] | None) -> ClipStates:
    count = len(rows)
    states = ClipStates(
        plan=plan,
        rows=rows,
        video=owner,
        outcome=np.full(count, _KEPT, np.int8),
        stage=np.full(count, len(STAGES), np.int8),
        bar=np.full(count, -1),
        measured={step.name: _is_measured(plan, step.name, rows, shards) for step in plan.steps},
    )
    alive = np.ones(count, bool)
    _judge_marks(plan, states, alive)
    columns = {
        name.removeprefix(SCORE): rows[name].to_numpy(zero_copy_only=False).astype(np.float64)
        for name in rows.column_names
        if name.startswith(SCORE)
    }
    for name in ("screen", *(step.name for step in plan.steps)):
        stage = STAGES.index(name)
        if name != "screen":
            _settle(states, alive, alive & ~states.measured[name], _MISSING, stage)
            _settle(states, alive, alive & _equals(rows["reject_stage"], name), _REJECTED, stage)
        bars = plan.step_bars.get(name)
        if bars is not None and not plan.config.score_only:
            decides = bars.find_missed(columns, count, getattr(plan.config, bars.stage))
            missed = alive & (decides >= 0)
            states.bar[missed] = decides[missed]
            _settle(states, alive, missed, _REJECTED, stage)
    return states


def _settle(states: ClipStates, alive: np.ndarray, which: np.ndarray, outcome: int, stage: int) -> None:
    states.outcome[which], states.stage[which] = outcome, stage
    alive &= ~which


def _judge_marks(plan: Plan, states: ClipStates, alive: np.ndarray) -> None:
    if not plan.config.marks.sha256:
        return
    for index, clip_id in enumerate(states.clip_ids):
        reject = judge_mark(clip_id, plan.marks, plan.config.marks)
        if reject is not None:
            states._rejects[index] = reject
            which = np.zeros(len(states), bool)
            which[index] = True
            _settle(states, alive, which, _REJECTED, STAGES.index("screen"))
