"""One batch in progress: the jobs that its inputs need, and the jobs that follow from each result."""

from collections import defaultdict, deque
from dataclasses import dataclass, field, replace

import numpy as np

from humove.types import Clip, VideoRef
from humove.video.probe import Probe
from humove.video.scan import ScanUnit
from pipelines.engine.executors.task import Fault, Task, TaskResult
from pipelines.engine.jobs import ClipGroup, ClipsJob, Job, JobResult, MergeJob, Mp4Place, ScanJob, SplitJob, VideoJob
from pipelines.engine.measure import STAGE_OF, MeasureStage, make_failed_result
from pipelines.engine.plan import Plan
from pipelines.engine.resolve import MISSING, SPLIT, BatchStates, VideoState, resolve_batch
from pipelines.engine.rows import SCORE, from_json, make_failure
from pipelines.engine.state import BatchState
from pipelines.engine.unit_work import get_unit_name, is_long_video
from pipelines.inputs.reference import InputRef
from pipelines.labels import judge_label
from pipelines.stages.screen import judge_screen
from pipelines.stages.video.probe_json import parse_probe


@dataclass(slots=True, kw_only=True)
class _LongVideo:
    """A long video in progress, with its unfinished jobs."""

    row: dict
    scans: set[int] = field(default_factory=set)
    groups: set[int] = field(default_factory=set)
    all_groups: tuple[int, ...] = ()
    failed: bool = False


class BatchRun:
    """The jobs of one batch. The driver takes tasks and returns their results."""

    def __init__(
        self,
        plan: Plan,
        stage: MeasureStage,
        number: int,
        items: list[InputRef],
        state: BatchState,
        *,
        ids_by_size: dict[int, set[str]],
        shards: set[str] | None,
    ) -> None:
        self.plan, self.stage, self.number, self.items, self.state = plan, stage, number, items, state
        self._shards = shards
        self._ids_by_size = ids_by_size
        """Ids of known videos by file size: another input of that size may be the same file."""
        self._queue: deque[Job] = deque()
        self._running: dict[str, Job] = {}
        self._held: dict[int, deque[VideoJob]] = defaultdict(deque)
        self._long: dict[str, _LongVideo] = {}
        self.faults: list[dict] = []
        self.num_videos_done = 0
        self.num_clips_done = 0

    @property
    def is_measured(self) -> bool:
        """Whether no job is queued, held or running."""
        return not (self._queue or self._running or any(self._held.values()))

    def resolve_states(self, earlier: set[str]) -> BatchStates:
        """Return the present states of the inputs and clips; `earlier` as in resolve_batch."""
        return resolve_batch(self.plan, self.items, self.state.read(), earlier, self._shards)

    def plan_jobs(self, states: BatchStates) -> None:
        """Queue the missing jobs, the largest files first, so that no long job starts last."""
        missing = states.clips.missing
        jobs: list[Job] = []
        for video, (begin, end) in zip(states.videos, states.get_clip_spans(), strict=True):
            places = [i for i in range(begin, end) if missing[i]]
            if video.outcome == MISSING:
                jobs += self._begin_video(video)
            elif video.outcome == SPLIT and places:
                jobs += self._continue_clips(video, states, places)
            else:
                self.num_videos_done += 1
        jobs.sort(key=lambda job: (-job.item.size, job.item.uri))
        for job in jobs:
            self._enqueue_job(job)

    def remeasure_clips(self, clip_ids: set[str], earlier: set[str]) -> None:
        """Queue clips whose records or videos were missing when they were packed."""
        states = self.resolve_states(earlier)
        by_video: dict[int, set[str]] = defaultdict(set)
        for clip_id, video in zip(states.clips.clip_ids, states.clips.video.tolist(), strict=True):
            if clip_id in clip_ids:
                by_video[video].add(clip_id)
        for place, ids in by_video.items():
            video = states.videos[place]
            if self._is_long(video):
                rows = [i for i, clip_id in enumerate(states.clips.clip_ids) if clip_id in ids]
                self._queue += self._group_clips(video, states, rows, encoded={})
            else:
                self._queue.append(VideoJob(item=video.item, clip_ids=frozenset(ids)))

    def next_task(self) -> Task | None:
        """Return the next task; None where none is queued at this moment."""
        if not self._queue:
            return None
        job = self._queue.popleft()
        if isinstance(job, VideoJob) and job.clip_ids is None:
            job = replace(job, known_ids=frozenset(self._ids_by_size.get(job.item.size, ())))
        unit = get_unit_name(job)
        self._running[unit] = job
        kind = type(job).__name__.removesuffix("Job").lower()
        task_id = f"{self.number}/{kind}/{unit}"
        return Task(task_id=task_id, label=job.item.uri, stage=self.stage, payload=job, weight=float(job.item.size))

    def receive_result(self, done: TaskResult) -> list[str]:
        """Store the rows of a result and queue the jobs that follow; return lines for the user."""
        job = done.task.payload
        del self._running[get_unit_name(job)]
        result = done.result
        if isinstance(result, Fault):
            stage = result.stage if result.stage != self.stage.name else STAGE_OF[type(job)]
            result = make_failed_result(job, make_failure(stage, result.error, result.traceback))
        self.state.add(result.videos, result.clips)
        self._note_failures(job, result)
        self._queue_next(job, result)
        return result.lines

    # Jobs of a resolved batch

    def _begin_video(self, video: VideoState) -> list[Job]:
        origins = _parse_origins(video.row)
        if len(video.units) <= 1 or video.stage == "ingest":
            return [VideoJob(item=video.item, origins=origins)]
        return self._begin_long(video.item, video.row)

    def _begin_long(self, item: InputRef, row: dict) -> list[Job]:
        probe, units = parse_probe(from_json(row["probe"])), from_json(row["units"])
        self._long[item.input_id] = _LongVideo(row=row, scans=set(range(len(units))))
        return [
            ScanJob(item=item, probe=probe, unit=ScanUnit(start_pts=start, end_pts=end), index=index)
            for index, (start, end) in enumerate(units)
        ]

    def _continue_clips(self, video: VideoState, states: BatchStates, places: list[int]) -> list[Job]:
        rows = states.clips.rows
        encoded = {}
        for place in places:
            file, origin = rows["mp4_file"][place].as_py(), rows["mp4_origin"][place].as_py()
            if states.clips.measured["encode"][place] and (origin or not file.startswith("ledger/")):
                offset, size = rows["mp4_offset"][place].as_py(), rows["mp4_bytes"][place].as_py()
                place_of = Mp4Place(origin=origin, file=file, offset=offset, size=size)
                encoded[rows["clip_id"][place].as_py()] = place_of
        if self._is_long(video):
            return self._group_clips(video, states, places, encoded)
        ids = frozenset(rows["clip_id"][place].as_py() for place in places)
        return [VideoJob(item=video.item, clip_ids=ids, origins=_parse_origins(video.row), encoded=encoded)]

    def _is_long(self, video: VideoState) -> bool:
        return is_long_video(from_json(video.row["shots"]), self.plan.config.execution.unit_seconds)

    def _group_clips(
        self, video: VideoState, states: BatchStates, places: list[int], encoded: dict[str, Mp4Place]
    ) -> list[Job]:
        """Return jobs for clips of a long video: neighbours together, in groups set by the clips' times."""
        rows = states.clips.rows.take(places).to_pylist()
        clips = [_read_clip(row, video.row, video.item, video.probe) for row in rows]
        return self._make_groups(video.item, video.row, clips, encoded)

    def _make_groups(
        self, item: InputRef, row: dict, clips: list[tuple[Clip, dict]], encoded: dict[str, Mp4Place]
    ) -> list[Job]:
        groups: dict[int, list[tuple[Clip, dict]]] = defaultdict(list)
        for clip, facts in clips:
            groups[int(facts["times"][0] // self.plan.config.execution.unit_seconds)].append((clip, facts))
        found = [ClipGroup(index=index, clips=tuple(group)) for index, group in sorted(groups.items())]
        # A file without timestamps is decoded from its beginning: one worker takes all its clips in order.
        sets = [(group,) for group in found] if row["timed"] else [tuple(found)]
        known = self._long.setdefault(item.input_id, _LongVideo(row=row))
        known.groups = {members[0].index for members in sets}
        known.all_groups = tuple(sorted({*known.all_groups, *groups}))
        probe = parse_probe(from_json(row["probe"]))
        return [
            ClipsJob(
                item=item,
                probe=probe,
                groups=members,
                origins=_parse_origins(row),
                encoded={
                    clip.clip_id: encoded[clip.clip_id]
                    for group in members
                    for clip, _ in group.clips
                    if clip.clip_id in encoded
                },
            )
            for members in sets
        ]

    def _enqueue_job(self, job: Job) -> None:
        """Queue a job; hold it where a job in progress may be on the same file."""
        size = job.item.size
        if isinstance(job, VideoJob) and job.clip_ids is None and size:
            if size in self._held:
                self._held[size].append(job)
                return
            self._held[size] = deque()
        self._queue.append(job)

    # Jobs that follow from a result

    def _note_failures(self, job: Job, result: JobResult) -> None:
        for row in (*result.videos, *result.clips):
            failure = from_json(row["failure"])
            if failure is not None and failure["kind"] == "faulted":
                unit = row.get("clip_id") or row["input_id"]
                self.faults.append({"unit": unit, "uri": job.item.uri, **failure})

    def _queue_next(self, job: Job, result: JobResult) -> None:
        failed = any(row["failure"] for row in result.videos)
        self.num_clips_done += 0 if isinstance(job, SplitJob) or result.is_long else len(result.clips)
        match job:
            case VideoJob():
                self._queue_after_video(job, result, failed)
            case ScanJob():
                self._queue_after_scan(job, failed)
            case SplitJob() if failed or not result.clips:
                self._finish_video(job.item)
            case SplitJob():
                self._queue_after_split(job.item, result)
            case ClipsJob():
                self._queue_after_clips(job)
            case MergeJob():
                self._finish_video(job.item)

    def _queue_after_video(self, job: VideoJob, result: JobResult, failed: bool) -> None:
        row = result.videos[-1]
        known = self._ids_by_size.setdefault(job.item.size, set())
        repeats = row["video_id"] in job.known_ids
        if job.item.size and row["video_id"]:
            known.add(row["video_id"])
        waiting = self._held.get(job.item.size)
        if job.clip_ids is None and waiting is not None:
            if waiting:
                self._queue.appendleft(waiting.popleft())
            else:
                del self._held[job.item.size]
        units = from_json(row["units"]) or ()
        if result.is_long and job.clip_ids is None and not failed:
            self._queue_after_split(job.item, result)
        elif failed or repeats or row["reject"] or len(units) <= 1:
            self.num_videos_done += 1
        else:
            self._queue.extendleft(reversed(self._begin_long(job.item, row)))

    def _queue_after_scan(self, job: ScanJob, failed: bool) -> None:
        known = self._long[job.item.input_id]
        known.scans.discard(job.index)
        known.failed |= failed
        if known.scans:
            return
        if known.failed:
            self._finish_video(job.item)
            return
        units = from_json(known.row["units"])
        self._queue.appendleft(SplitJob(item=job.item, probe=job.probe, num_units=len(units)))

    def _queue_after_split(self, item: InputRef, result: JobResult) -> None:
        """Queue the clips of a long video that pass the labels and the screen's thresholds."""
        clips = []
        row = result.videos[-1]
        probe = parse_probe(from_json(row["probe"]))
        for clip_row in result.clips:
            clip, facts = _read_clip(clip_row, row, item, probe)
            reject = judge_label(clip.clip_id, self.plan.labels, self.plan.config.labels)
            if reject is None and not self.plan.config.score_only:
                reject = judge_screen(facts["scores"], self.plan.config.screen)
            if reject is None:
                clips.append((clip, facts))
        if not clips:
            self._finish_video(item)
            return
        self._queue.extendleft(reversed(self._make_groups(item, row, clips, {})))

    def _queue_after_clips(self, job: ClipsJob) -> None:
        known = self._long[job.item.input_id]
        known.groups.discard(job.groups[0].index)
        if not known.groups:
            self._queue.append(MergeJob(item=job.item, indices=known.all_groups))

    def _finish_video(self, item: InputRef) -> None:
        self._long.pop(item.input_id, None)
        self.num_videos_done += 1


def _parse_origins(row: dict) -> tuple[str, ...]:
    return tuple(row["origin"].split("\n")) if row.get("origin") else ()


def _read_clip(row: dict, video: dict, item: InputRef, probe: Probe) -> tuple[Clip, dict]:
    """Return a clip from its row, and its facts from the split: index, times, scores, signature."""
    ref = VideoRef(
        video_id=video["video_id"],
        uri=item.uri,
        width=probe.width,
        height=probe.height,
        fps=probe.fps,
        num_frames=video["num_frames"],
        source=item.source,
        focal_35mm=probe.focal_35mm,
    )
    clip = Clip(
        clip_id=row["clip_id"],
        video=ref,
        shot_index=row["shot_index"],
        start_frame=row["start_frame"],
        end_frame=row["end_frame"],
    )
    facts = {
        "index": row["clip_index"],
        "times": [row["start_s"], row["end_s"]],
        "scores": {n.removeprefix(SCORE): v for n, v in row.items() if n.startswith(SCORE) and v is not None},
        "signature": np.frombuffer(row["signature"], "<u8").tolist(),
    }
    return clip, facts
