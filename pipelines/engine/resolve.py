"""The state of every input and clip of a batch under the present settings: kept, rejected, or a step is missing.

Planning and assembly use the same function, so that they cannot disagree. Verdicts are computed column by column: a
million clips take seconds.
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
from pipelines.labels import judge_label
from pipelines.stages.records import parse_reject
from pipelines.stages.video.probe_json import parse_probe
from shards.format import SHARDS_FOLDER

MISSING, REJECTED, FAULTED, SPLIT, KEPT = "missing", "rejected", "faulted", "split", "kept"
OUTCOME_CODES = (MISSING, REJECTED, FAULTED, KEPT)
_MISSING, _REJECTED, _FAULTED, _KEPT = range(4)


@dataclass(kw_only=True, eq=False)
class VideoState:
    """The state of an input: the stage at which it ended or continues; SPLIT where it has clips."""

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
        return parse_probe(from_json(self.row["probe"]))

    @property
    def units(self) -> tuple[tuple[int | None, int | None], ...]:
        return tuple(map(tuple, from_json(self.row.get("units")) or ()))

    @cached_property
    def video(self) -> VideoRef:
        """The reference to the video of a split input."""
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
    """The rows of the state table, one per clip."""
    video: np.ndarray
    """(N,) int64: the index of the clip's input in the batch."""
    outcome: np.ndarray
    """(N,) int8: an index in OUTCOME_CODES."""
    stage: np.ndarray
    """(N,) int8: an index in STAGES: the stage of the rejection, or the missing step; len(STAGES) where it is kept."""
    threshold: np.ndarray
    """(N,) int64: the index of the stage's threshold that rejected the clip; -1 where none did."""
    measured: dict[str, np.ndarray]
    """(N,) bool by step: whether the clip has a record under the present settings."""
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
        """(N,) bool: whether a step has to run, also where it failed in an earlier run."""
        return self.outcome == _MISSING

    @property
    def signatures(self) -> np.ndarray:
        """(N, 8) uint64."""
        return unpack_signatures(self.rows["signature"])

    def get_column(self, name: str) -> np.ndarray:
        """Return a column of numbers, (N,) float64, NaN where missing."""
        if name not in self.rows.column_names:
            return np.full(len(self), np.nan)
        return self.rows[name].to_numpy(zero_copy_only=False).astype(np.float64)

    def get_failure(self, index: int) -> dict | None:
        """Return the failure of the last run at the missing step; None where there is none."""
        text = self.rows["failure"][index].as_py()
        return from_json(text) if text and self.outcome[index] == _MISSING else None

    def get_reject(self, index: int) -> Reject | None:
        """Return why the clip was rejected; None where it was not."""
        if index in self._rejects:
            return self._rejects[index]
        if self.outcome[index] != _REJECTED:
            return None
        stage = STAGES[self.stage[index]]
        if self.threshold[index] < 0:
            return parse_reject(from_json(self.rows["reject"][index].as_py()))
        thresholds = self.plan.step_thresholds[stage]
        name = f"{SCORE}{thresholds.thresholds[self.threshold[index]].score}"
        value = self.rows[name][index].as_py() if name in self.rows.column_names else None
        return thresholds.explain(
            int(self.threshold[index]), np.nan if value is None else value, getattr(self.plan.config, thresholds.stage)
        )

    def get_scores(self, index: int) -> dict[str, float]:
        """Return all scores of a clip."""
        names = (name for name in self.rows.column_names if name.startswith(SCORE))
        values = ((name.removeprefix(SCORE), self.rows[name][index].as_py()) for name in names)
        return {name: value for name, value in values if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BatchStates:
    """The states of a batch's inputs and clips."""

    videos: list[VideoState]
    clips: ClipStates

    def get_clip_spans(self) -> list[tuple[int, int]]:
        """Return (start, end) of each input's clips among those of the batch."""
        edges = np.searchsorted(self.clips.video, np.arange(len(self.videos) + 1))
        return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def resolve_batch(
    plan: Plan,
    items: Sequence[InputRef],
    tables: StateTables,
    earlier: set[str],
    shards: set[str] | None = None,
) -> BatchStates:
    """Return the states of a batch's inputs, in order, and of their clips.

    `earlier` holds the video ids of the earlier batches, and grows: a second file with the same bytes is a duplicate.
    `shards` are the files that the committed data set lists: encoded clips in other shards are missing. None: none is.
    """
    videos = _resolve_videos(plan, items, tables.videos, earlier)
    split = {v.item.input_id: place for place, v in enumerate(videos) if v.outcome == SPLIT}
    rows, owner = _select_clips(plan, tables.clips, split, shards)
    return BatchStates(videos=videos, clips=_judge_clips(plan, rows, owner, shards))


def _resolve_videos(plan: Plan, items: Sequence[InputRef], rows: pa.Table, earlier: set[str]) -> list[VideoState]:
    wanted = {"ingest_key": plan.ingest_key, "scan_key": plan.scan_key, "split_key": plan.split_key}
    reach = np.zeros(len(rows), np.int64)
    passed = np.ones(len(rows), bool)
    for name, key in wanted.items():
        passed &= _match_value(rows[name], key)
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
    """Return the state of an input; `reach` counts the stages with records under the present settings."""
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
        reject = parse_reject(from_json(row["reject"]))
        return VideoState(item=item, row=row, stage=stage, outcome=REJECTED, reject=reject)
    earlier.add(video_id)
    if reach < 3:
        return VideoState(item=item, row=row, stage=("scan", "split")[reach - 1], outcome=MISSING, failure=failure)
    return VideoState(item=item, row=row, stage="split", outcome=SPLIT)


def _match_value(column: pa.ChunkedArray, value: str) -> np.ndarray:
    return pc.fill_null(pc.equal(column, value), False).to_numpy(zero_copy_only=False)


def _select_clips(
    plan: Plan, rows: pa.Table, split: dict[str, int], shards: set[str] | None
) -> tuple[pa.Table, np.ndarray]:
    """Return one row per clip of the split inputs (that with the most steps measured under the present settings, the
    latest of several), and the index of each clip's input."""
    inputs = rows["input_id"].combine_chunks().dictionary_encode()
    places = np.array([split.get(name, -1) for name in inputs.dictionary.to_pylist()], np.int64)
    owner = places[inputs.indices.to_numpy(zero_copy_only=False)] if len(rows) else np.zeros(0, np.int64)
    right = (owner >= 0) & _match_value(rows["split_key"], plan.split_key)
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
    """Return (N,) bool: whether the step has a record under the present settings and its video still exists."""
    if f"{KEY}{step}" not in rows.column_names:
        return np.zeros(len(rows), bool)
    found = _match_value(rows[f"{KEY}{step}"], plan.step_keys[step])
    if step == "encode":
        files = rows["mp4_file"].combine_chunks().dictionary_encode()
        exists = [
            bool(name) and (shards is None or not name.startswith(f"{SHARDS_FOLDER}/") or name in shards)
            for name in files.dictionary.to_pylist()
        ]
        at = files.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        own = _match_value(rows["mp4_origin"], "")
        found &= np.append(np.array(exists, bool), False)[at] | (~own & (at >= 0))
    return found


def _judge_clips(plan: Plan, rows: pa.Table, owner: np.ndarray, shards: set[str] | None) -> ClipStates:
    count = len(rows)
    states = ClipStates(
        plan=plan,
        rows=rows,
        video=owner,
        outcome=np.full(count, _KEPT, np.int8),
        stage=np.full(count, len(STAGES), np.int8),
        threshold=np.full(count, -1),
        measured={step.name: _is_measured(plan, step.name, rows, shards) for step in plan.steps},
    )
    alive = np.ones(count, bool)
    _judge_labels(plan, states, alive)
    columns = {
        name.removeprefix(SCORE): rows[name].to_numpy(zero_copy_only=False).astype(np.float64)
        for name in rows.column_names
        if name.startswith(SCORE)
    }
    for name in ("screen", *(step.name for step in plan.steps)):
        stage = STAGES.index(name)
        if name != "screen":
            _settle_clips(states, alive, alive & ~states.measured[name], _MISSING, stage)
            _settle_clips(states, alive, alive & _match_value(rows["reject_stage"], name), _REJECTED, stage)
        thresholds = plan.step_thresholds.get(name)
        if thresholds is not None and not plan.config.score_only:
            decides = thresholds.find_missed(columns, count, getattr(plan.config, thresholds.stage))
            missed = alive & (decides >= 0)
            states.threshold[missed] = decides[missed]
            _settle_clips(states, alive, missed, _REJECTED, stage)
    return states


def _settle_clips(states: ClipStates, alive: np.ndarray, which: np.ndarray, outcome: int, stage: int) -> None:
    states.outcome[which], states.stage[which] = outcome, stage
    alive &= ~which


def _judge_labels(plan: Plan, states: ClipStates, alive: np.ndarray) -> None:
    if not plan.config.labels.sha256:
        return
    for index, clip_id in enumerate(states.clip_ids):
        reject = judge_label(clip_id, plan.labels, plan.config.labels)
        if reject is not None:
            states._rejects[index] = reject
            which = np.zeros(len(states), bool)
            which[index] = True
            _settle_clips(states, alive, which, _REJECTED, STAGES.index("screen"))
