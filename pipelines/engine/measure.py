"""What a worker does: one job, from the source file to the unit's records in the ledger and rows for the driver.

Jobs may run twice, or be killed: whatever a unit's file holds already is not measured again.
"""

import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path

from annotators.network import Network
from annotators.transnetv2.network import TransNetV2
from humove.errors import UserError
from humove.ids import clip_id_of, video_id_of
from humove.stage import Reject
from humove.storage.store import Store, open_store
from humove.types import Clip, VideoRef
from humove.video.decode import SpanDecoder
from humove.video.frames import ClipFrames
from humove.video.probe import Probe
from humove.video.scan import Unit
from pipelines.engine.clip_runner import ClipFailure, ClipsInFlight, clip_row
from pipelines.engine.encoded_videos import EncodedVideos, video_member
from pipelines.engine.jobs import ClipsJob, Job, JobResult, MergeJob, Mp4Place, ScanJob, SplitJob, VideoJob
from pipelines.engine.ledger import Ledger
from pipelines.engine.plan import Plan
from pipelines.engine.rows import failure_of, to_json
from pipelines.engine.task import StepError
from pipelines.inputs.cache import SourceCache, SourceUnavailable
from pipelines.inputs.reference import InputRef, is_url
from pipelines.marks import judge as judge_mark
from pipelines.stages.ingest_video import ingest_video
from pipelines.stages.probe_json import probe_from_json, probe_to_json
from pipelines.stages.records import VIDEO, Record, UnitRecords, records_name, reject_to_json, videos_name
from pipelines.stages.scan_video import SPAN, join_scan, open_scan, read_scan_span, scan_span
from pipelines.stages.screen import judge as judge_screen
from pipelines.stages.split_video import split_video
from pipelines.stages.step import ClipView

WORKER_DIED = "the worker process died while it worked on this clip (killed, out of memory, or a crash in a library)"


class MeasureStage:
    """Job -> JobResult. The heavy work of a build, whichever executor runs it."""

    name = "measure"

    def __init__(self, plan: Plan, store: Store, networks: Mapping[str, Network] | None = None) -> None:
        self.plan, self.store, self.networks = plan, store, networks or {}
        self.driver = socket.gethostname()

    def setup(self) -> None:
        Ledger(self.store).require_seen()
        for step in self.plan.steps:
            step.setup(self.networks)
        execution = self.plan.config.execution
        self.cache = SourceCache(self.plan.scratch / "humove-sources", execution.cache_megabytes * 1_000_000)

    @cached_property
    def cuts(self) -> TransNetV2 | None:
        """The network that finds cuts, where the configuration asks for it."""
        if self.plan.config.split.detector != "transnetv2":
            return None
        network = TransNetV2()
        network.load("cpu", self.networks.get("cuts"))
        return network

    def process(self, job: Job, attempt: int) -> JobResult:
        try:
            with UnitWork(self, job, attempt) as unit:
                return unit.run()
        except SourceUnavailable as error:
            return failed_result(job, failure_of(STAGE_OF[type(job)], str(error), kind="rejected"))
        except ConnectionError as error:  # the source's server, or the set's own store: the next run tries again
            return failed_result(job, failure_of(STAGE_OF[type(job)], f"{type(error).__name__}: {error}"))


STAGE_OF = {VideoJob: "ingest", ScanJob: "scan", SplitJob: "split", ClipsJob: "screen", MergeJob: "encode"}


def failed_result(job: Job, failure: dict) -> JobResult:
    """What is told of a job that came to nothing."""
    row = {**empty_video_row(job.item.input_id), "failure": to_json(failure)}
    lines = [f"fault: {job.item.uri}: {failure['error']}"] if failure["kind"] == "faulted" else []
    return JobResult(videos=[row], lines=lines)


def empty_video_row(input_id: str) -> dict:
    """The row of a video of which nothing is known."""
    texts = ("video_id", "ingest_key", "scan_key", "split_key", "reject_stage", "reject", "failure", "probe", "units",
             "shots", "transitions", "origin")  # fmt: skip
    return {"input_id": input_id, **dict.fromkeys(texts, ""), "num_frames": 0, "timed": True, "cpu.scan": 0.0,
            "cpu.split": 0.0}  # fmt: skip


class UnitWork:
    """One job in progress: its records in memory, its source file, and the moment of the last save."""

    def __init__(self, stage: MeasureStage, job: Job, attempt: int) -> None:
        self.stage, self.plan, self.store, self.job, self.attempt = stage, stage.plan, stage.store, job, attempt
        self.unit = unit_of(job)
        self.origins: tuple[str, ...] = getattr(job, "origins", ())
        self._files = ExitStack()
        self.records = self._read_records()
        self._saved = time.monotonic()
        self._decoder: SpanDecoder | None = None
        self.videos = EncodedVideos(self.store, videos_name(self.unit))
        self.result = JobResult()

    def __enter__(self) -> "UnitWork":
        self.plan.scratch.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *error: object) -> None:
        if self._decoder is not None:
            self._decoder.close()
        self._files.close()

    @property
    def item(self) -> InputRef:
        return self.job.item

    @cached_property
    def path(self) -> Path:
        """The source as a local file; SourceUnavailable, or ConnectionError where its server does not answer."""
        try:
            return self._files.enter_context(self.stage.cache.open(self.item))
        except SourceUnavailable as error:
            if is_url(self.item.location) or socket.gethostname() == self.stage.driver:
                raise
            raise ConnectionError(
                f"{socket.gethostname()} does not see {self.item.location} ({error}); on several machines give VIDEOS "
                "as addresses (s3://, gs://, https://), or a folder that all of them see"
            ) from error

    def _read_records(self) -> UnitRecords:
        whole = not isinstance(self.job, SplitJob | MergeJob)
        return read_records(self.store, self.unit, self.origins, whole=whole)

    def run(self) -> JobResult:
        """Does the job; the rows for the driver."""
        match self.job:
            case VideoJob():
                self._run_video(self.job)
            case ScanJob():
                self._scan_span(self.job)
            case SplitJob():
                self._split_long(self.job)
            case ClipsJob():
                self._run_clips(self.job)
            case MergeJob():
                self._merge(self.job)
        return self.result

    def save(self, *, always: bool = True) -> None:
        """Saves what was measured; unless `always`, only where the last time is long ago, so that a kill costs no more
        than `execution.flush_seconds`."""
        if not always and time.monotonic() - self._saved < self.plan.config.execution.flush_seconds:
            return
        if self.videos.changed:
            self.videos.save(self.plan.scratch)
        if self.records.changed:
            self.records.save(self.store, records_name(self.unit), self.plan.scratch)
        self._saved = time.monotonic()

    # A short video, as a whole

    def _run_video(self, job: VideoJob) -> None:
        with stage_errors("ingest"):
            ingested = self._ingest()
        row = self._video_row(ingested)
        self.result.videos.append(row)
        if ingested.reject is not None or row["video_id"] in job.known_ids:
            self.save()
            return
        probe = probe_from_json(ingested.facts["probe"])
        if len(ingested.facts["units"]) > 1:
            self.save()
            return
        with stage_errors("scan"):
            scanned = self._scan(probe)
        self._add_scan(row, scanned)
        if scanned.reject is not None:
            self.save()
            return
        with stage_errors("split"):
            split = self._split(probe)
        self._add_split(row, split)
        clips = list(clips_of(self._video(row, probe), split.facts["shots"]))
        if is_long(split.facts["shots"], self.plan.config.execution.unit_seconds):
            self.result.is_long = True
            self.result.clips += [self._clip_row(clip, facts, None, None) for clip, facts in clips]
            self.save()
            return
        if job.clip_ids is not None:
            clips = [(clip, facts) for clip, facts in clips if clip.clip_id in job.clip_ids]
        self._measure_clips(probe, clips, job.encoded)

    def _ingest(self) -> Record:
        record = self.records.get(VIDEO, "ingest", self.plan.ingest_key)
        if record is not None:
            return record
        try:
            found = ingest_video(self.path, self.plan.config.execution.unit_seconds)
            if isinstance(found, Reject):
                record = Record(facts={"video_id": video_id_of(self.path)}, reject=found)
            else:
                units = [[unit.start_pts, unit.end_pts] for unit in found.units]
                facts = {"video_id": found.video_id, "probe": probe_to_json(found.probe), "units": units}
                record = Record(facts=facts)
        except SourceUnavailable as error:
            record = Record(facts={"video_id": ""}, reject=Reject(reason=error.reason, detail=str(error)))
        self.records.put(VIDEO, "ingest", self.plan.ingest_key, record)
        self.result.measured["ingest"] += 1
        return record

    def _scan(self, probe: Probe) -> Record:
        record = self.records.get(VIDEO, "scan", self.plan.scan_key)
        if record is None:
            self.result.measured["scan"] += 1
            span = scan_span(self.records, self.plan.scan_key, self.path, probe, Unit(), 0)
            record = join_scan(self.records, self.plan.scan_key, self.path, probe, [span])
            self.save(always=False)
        return record

    def _split(self, probe: Probe) -> Record:
        record = self.records.get(VIDEO, "split", self.plan.split_key)
        if record is None:
            start = time.process_time()
            scan = open_scan(self.records, self.plan.scan_key, probe)
            found = split_video(scan, probe, self.plan.config.split, self.stage.cuts)
            facts = {"shots": found.shots, "transitions": found.transitions}
            record = Record(facts=facts, cpu_s=time.process_time() - start)
            self.records.put(VIDEO, "split", self.plan.split_key, record)
            self.result.measured["split"] += 1
        return record

    # The parts of a long one

    def _scan_span(self, job: ScanJob) -> None:
        with stage_errors("scan"):
            if self.records.get(f"{VIDEO}-{job.index:03d}", SPAN, self.plan.scan_key) is None:
                self.result.measured["scan"] += 1
                scan_span(self.records, self.plan.scan_key, self.path, job.probe, job.unit, job.index)
            self.save()

    def _split_long(self, job: SplitJob) -> None:
        key, names = self.plan.scan_key, [f"{job.item.input_id}-scan-{i:03d}" for i in range(job.num_units)]
        with stage_errors("scan"):
            row = self._video_row(self._ingest())
            self.result.videos.append(row)
            scanned = self.records.get(VIDEO, "scan", key)
            if scanned is None:
                for name in names:
                    self.records.merge(UnitRecords.read(self.store, records_name(name), whole=False))
                spans = [self.records.get(f"{VIDEO}-{i:03d}", SPAN, key) for i in range(job.num_units)]
                scanned = join_scan(self.records, key, self.path, job.probe, spans)
        self._add_scan(row, scanned)
        if scanned.reject is None:
            with stage_errors("split"):
                split = self._split(job.probe)
            self._add_split(row, split)
            for clip, facts in clips_of(self._video(row, job.probe), split.facts["shots"]):
                self.result.clips.append(self._clip_row(clip, facts, None, None))
        self.save()
        self.store.delete([records_name(name) for name in names])

    def _run_clips(self, job: ClipsJob) -> None:
        for group in job.groups:
            self.unit = group_unit(job.item, group.index)
            self.records = self._read_records()
            self.videos = EncodedVideos(self.store, videos_name(self.unit))
            self._measure_clips(job.probe, list(group.clips), job.encoded)

    def _merge(self, job: MergeJob) -> None:
        names = [group_unit(job.item, index) for index in job.indices]
        for name in names:
            self.records.merge(UnitRecords.read(self.store, records_name(name), whole=False))
        self.save()
        self.store.delete([records_name(name) for name in names])

    # Clips

    def _measure_clips(self, probe: Probe, clips: list[tuple[Clip, Mapping]], encoded: Mapping[str, Mp4Place]) -> None:
        """Every step of each clip; rows for the driver when all is saved."""
        plan = self.plan
        self.videos.read()
        doomed = self._doomed_clip()
        failures: dict[str, dict | None] = {}
        flight = ClipsInFlight(plan, plan.config.execution.retries, self._after_step)
        for clip, facts in clips:
            reject = judge_mark(clip.clip_id, plan.marks, plan.config.marks)
            if reject is None and not plan.config.score_only:
                reject = judge_screen(facts["scores"], plan.config.screen)
            if reject is not None:
                continue
            self._note_attempt(clip)
            if clip.clip_id == doomed:
                failures[clip.clip_id] = failure_of(self.stage.name, f"WorkerDied: {WORKER_DIED}")
            else:
                self._measure_clip(flight, clip, probe, encoded, failures)
            self.save(always=False)
        flight.finish()
        self.save()
        for clip, facts in clips:
            failure = failures.get(clip.clip_id)
            if failure is not None and failure["kind"] == "faulted":
                self.result.lines.append(
                    f"fault: {self.item.uri} {clip.clip_id}: {failure['stage']}: {failure['error']}"
                )
            place = self.videos.place(video_member(clip, plan.step_keys["encode"])) or encoded.get(clip.clip_id)
            self.result.clips.append(self._clip_row(clip, facts, place, failure))

    def _measure_clip(
        self,
        flight: ClipsInFlight,
        clip: Clip,
        probe: Probe,
        encoded: Mapping[str, Mp4Place],
        failures: dict[str, dict | None],
    ) -> None:
        member = video_member(clip, self.plan.step_keys["encode"])
        view = ClipView(
            clip=clip,
            records=self.records,
            keys=self.plan.step_keys,
            open_frames=lambda: self._open_frames(clip, probe),
            scratch=self.plan.scratch,
        )

        def settle(failure: ClipFailure | None) -> None:
            if view.mp4:
                self.videos.put(member, view.mp4)
            failures[clip.clip_id] = failure and failure.to_row()

        flight.run(view, member in self.videos or clip.clip_id in encoded, settle)

    def _after_step(self, name: str) -> None:
        self.result.measured[name] += 1
        self.save(always=False)

    def _open_frames(self, clip: Clip, probe: Probe) -> ClipFrames:
        if self._decoder is None:
            self._decoder = SpanDecoder(self.path, probe)
        return ClipFrames(
            self._decoder,
            probe=probe,
            scan=read_scan_span(self.records, self.plan.scan_key, probe, clip.start_frame, clip.end_frame),
            start_frame=clip.start_frame,
            end_frame=clip.end_frame,
            scratch=self.plan.scratch,
            **self.plan.frame_settings,
        )

    def _note_attempt(self, clip: Clip) -> None:
        """After a worker has died on this unit, says which clip is next, so that the one that kills is known."""
        if self.attempt:
            self.records.put(VIDEO, "attempt", "", Record(facts={"clip_id": clip.clip_id}))
            self.save()

    def _doomed_clip(self) -> str:
        """The clip that a worker died on twice."""
        noted = self.records.get(VIDEO, "attempt", "") if self.attempt else None
        return noted.facts["clip_id"] if noted else ""

    # Rows

    def _video_row(self, ingested: Record) -> dict:
        facts = ingested.facts
        return {
            **empty_video_row(self.item.input_id),
            "video_id": facts["video_id"],
            "ingest_key": self.plan.ingest_key,
            "reject_stage": "ingest" if ingested.reject else "",
            "reject": to_json(reject_to_json(ingested.reject)),
            "probe": to_json(facts.get("probe")),
            "units": to_json(facts.get("units")),
            "origin": "\n".join(self.origins),
        }

    def _add_scan(self, row: dict, scanned: Record) -> None:
        row |= {"scan_key": self.plan.scan_key, "cpu.scan": scanned.cpu_s}
        row["num_frames"] = scanned.facts.get("num_frames", 0)
        if scanned.reject is not None:
            row |= {"reject_stage": "scan", "reject": to_json(reject_to_json(scanned.reject))}

    def _add_split(self, row: dict, split: Record) -> None:
        shots = [{k: v for k, v in shot.items() if k != "clips"} for shot in split.facts["shots"]]
        row |= {
            "split_key": self.plan.split_key,
            "timed": self.records.get(VIDEO, "scan", self.plan.scan_key).facts["index"]["timed"],
            "cpu.split": split.cpu_s,
            "shots": to_json(shots),
            "transitions": to_json(split.facts["transitions"]),
        }

    def _video(self, row: dict, probe: Probe) -> VideoRef:
        return VideoRef(
            video_id=row["video_id"],
            uri=self.item.uri,
            width=probe.width,
            height=probe.height,
            fps=probe.fps,
            num_frames=row["num_frames"],
            source=self.item.source,
            focal_35mm=probe.focal_35mm,
        )

    def _clip_row(self, clip: Clip, facts: Mapping, mp4: Mp4Place | None, failure: dict | None) -> dict:
        return clip_row(
            self.plan,
            clip,
            facts,
            self.records,
            input_id=self.item.input_id,
            unit=self.unit,
            origin="\n".join(self.origins),
            mp4=mp4,
            failure=failure,
        )


@contextmanager
def stage_errors(stage: str) -> Iterator[None]:
    """Says which stage an exception came from; what the source or its server causes is no exception of ours."""
    try:
        yield
    except (ConnectionError, SourceUnavailable, UserError):
        raise
    except Exception as error:
        raise StepError(stage) from error


def unit_of(job: Job) -> str:
    """The name of the unit that a job works on."""
    match job:
        case ScanJob():
            return f"{job.item.input_id}-scan-{job.index:03d}"
        case ClipsJob():
            return group_unit(job.item, job.groups[0].index)
        case _:
            return job.item.input_id


def group_unit(item: InputRef, index: int) -> str:
    """The name of the unit that a group of a long video's clips is."""
    return f"{item.input_id}-clips-{index:03d}"


def is_long(shots: Sequence[Mapping], unit_seconds: float) -> bool:
    """Whether a split video's clips are jobs of their own."""
    return bool(shots) and shots[-1]["times"][1] >= 1.5 * unit_seconds


def read_records(store: Store, unit: str, origins: tuple[str, ...] = (), *, whole: bool = True) -> UnitRecords:
    """A unit's records, with those of the sets that measured some of it before, and of its video, behind them.

    A span of a long video reads of its video's file what it needs.
    """
    base = None
    for origin in reversed(origins):
        base = UnitRecords.read(open_store(origin), records_name(unit), base, whole=whole)
    video = unit.partition("-")[0]
    if video != unit:
        base = read_records(store, video, origins, whole=False)
    return UnitRecords.read(store, records_name(unit), base, whole=whole)


def clips_of(video: VideoRef, shots: list[dict]) -> Iterator[tuple[Clip, Mapping]]:
    """The clips of a split video, each with what the split says of it."""
    for shot_index, shot in enumerate(shots):
        for index, row in enumerate(shot["clips"]):
            clip = Clip(
                clip_id=clip_id_of(video.video_id, shot_index, index),
                video=video,
                shot_index=shot_index,
                start_frame=row["start"],
                end_frame=row["end"],
            )
            yield clip, {"index": index, **row}
