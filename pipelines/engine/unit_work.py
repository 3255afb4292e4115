"""One unit of work in a worker: its source file, records, encoded clips, and rows of the state table."""

import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from humove.errors import UserError
from humove.ids import compute_video_id, format_clip_id
from humove.stage import Reject
from humove.storage.store import Store, open_store
from humove.types import Clip, VideoRef
from humove.video.decode import SpanDecoder
from humove.video.frames import ClipFrames
from humove.video.probe import Probe
from humove.video.scan import ScanUnit
from pipelines.engine.clip_runner import ClipFailure, ClipsInFlight, make_clip_row
from pipelines.engine.encoded_videos import EncodedVideos, name_video_member
from pipelines.engine.executors.task import StepError
from pipelines.engine.jobs import ClipsJob, Job, JobResult, MergeJob, Mp4Place, ScanJob, SplitJob
from pipelines.engine.rows import make_failure, to_json
from pipelines.inputs.cache import SourceUnavailable
from pipelines.inputs.reference import InputRef, is_url
from pipelines.labels import judge_label
from pipelines.stages.records import VIDEO, Record, UnitRecords, dump_reject, make_records_name, make_videos_name
from pipelines.stages.screen import judge_screen
from pipelines.stages.step import ClipView
from pipelines.stages.video.ingest_video import ingest_video
from pipelines.stages.video.probe_json import dump_probe
from pipelines.stages.video.scan_video import join_scan, open_scan, read_scan_span, scan_span
from pipelines.stages.video.split_video import split_video

if TYPE_CHECKING:
    from pipelines.engine.measure import MeasureStage

WORKER_DIED = "the worker process died while it worked on this clip (killed, out of memory, or a crash in a library)"


class UnitWork:
    """One job in progress: its records in memory, its source file, and the time of the last save."""

    def __init__(self, stage: "MeasureStage", job: Job, attempt: int) -> None:
        self.stage, self.plan, self.store, self.job, self.attempt = stage, stage.plan, stage.store, job, attempt
        self.origins: tuple[str, ...] = getattr(job, "origins", ())
        self._files = ExitStack()
        self._decoder: SpanDecoder | None = None
        self.result = JobResult()
        self.open_unit(get_unit_name(job))
        self._saved = time.monotonic()

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
        """The source as a local file. Raises SourceUnavailable, or ConnectionError where its server does not answer."""
        try:
            return self._files.enter_context(self.stage.cache.open(self.item))
        except SourceUnavailable as error:
            if is_url(self.item.location) or socket.gethostname() == self.stage.driver:
                raise
            raise ConnectionError(
                f"{socket.gethostname()} does not see {self.item.location} ({error}); on several machines give VIDEOS "
                "as addresses (s3://, gs://, https://), or a folder that all of them see"
            ) from error

    def open_unit(self, name: str) -> None:
        """Read the records of a unit, and write further records and videos to its files."""
        self.unit = name
        whole = not isinstance(self.job, SplitJob | MergeJob)
        self.records = read_records(self.store, self.unit, self.origins, whole=whole)
        self.videos = EncodedVideos(self.store, make_videos_name(self.unit))

    def save(self, *, always: bool = True) -> None:
        """Save records and videos. Unless `always`, skip it within `execution.flush_seconds` of the last save: a kill
        loses no more work than that."""
        if not always and time.monotonic() - self._saved < self.plan.config.execution.flush_seconds:
            return
        if self.videos.changed:
            self.videos.save(self.plan.scratch)
        if self.records.changed:
            self.records.save(self.store, make_records_name(self.unit), self.plan.scratch)
        self._saved = time.monotonic()

    def measure_ingest(self) -> Record:
        """Return the ingest record, measured where it is missing."""
        record = self.records.get(VIDEO, "ingest", self.plan.ingest_key)
        if record is not None:
            return record
        try:
            found = ingest_video(self.path, self.plan.config.execution.unit_seconds)
            if isinstance(found, Reject):
                record = Record(facts={"video_id": compute_video_id(self.path)}, reject=found)
            else:
                units = [[unit.start_pts, unit.end_pts] for unit in found.units]
                facts = {"video_id": found.video_id, "probe": dump_probe(found.probe), "units": units}
                record = Record(facts=facts)
        except SourceUnavailable as error:
            record = Record(facts={"video_id": ""}, reject=Reject(reason=error.reason, detail=str(error)))
        self.records.put_record(VIDEO, "ingest", self.plan.ingest_key, record)
        self.result.measured["ingest"] += 1
        return record

    def measure_scan(self, probe: Probe) -> Record:
        """Return the scan record, measured where it is missing."""
        record = self.records.get(VIDEO, "scan", self.plan.scan_key)
        if record is None:
            self.result.measured["scan"] += 1
            span = scan_span(self.records, self.plan.scan_key, self.path, probe, ScanUnit(), 0)
            record = join_scan(self.records, self.plan.scan_key, self.path, probe, [span])
            self.save(always=False)
        return record

    def measure_split(self, probe: Probe) -> Record:
        """Return the split record, measured where it is missing."""
        record = self.records.get(VIDEO, "split", self.plan.split_key)
        if record is None:
            start = time.process_time()
            scan = open_scan(self.records, self.plan.scan_key, probe)
            found = split_video(scan, probe, self.plan.config.split, self.stage.cuts)
            facts = {"shots": found.shots, "transitions": found.transitions}
            record = Record(facts=facts, cpu_s=time.process_time() - start)
            self.records.put_record(VIDEO, "split", self.plan.split_key, record)
            self.result.measured["split"] += 1
        return record

    def measure_clips(self, probe: Probe, clips: list[tuple[Clip, Mapping]], encoded: Mapping[str, Mp4Place]) -> None:
        """Run every missing step of each clip, save, and add the rows for the driver."""
        plan = self.plan
        self.videos.read()
        fatal = self._find_fatal_clip()
        failures: dict[str, dict | None] = {}
        flight = ClipsInFlight(plan, plan.config.execution.retries, self._after_step)
        for clip, facts in clips:
            reject = judge_label(clip.clip_id, plan.labels, plan.config.labels)
            if reject is None and not plan.config.score_only:
                reject = judge_screen(facts["scores"], plan.config.screen)
            if reject is not None:
                continue
            self._note_attempt(clip)
            if clip.clip_id == fatal:
                failures[clip.clip_id] = make_failure(self.stage.name, f"WorkerDied: {WORKER_DIED}")
            else:
                self._measure_clip(flight, clip, probe, encoded, failures)
            self.save(always=False)
        flight.finish()
        self.save()
        encode_key = plan.step_keys["encode"]
        for clip, facts in clips:
            failure = failures.get(clip.clip_id)
            if failure is not None and failure["kind"] == "faulted":
                self.result.lines.append(
                    f"fault: {self.item.uri} {clip.clip_id}: {failure['stage']}: {failure['error']}"
                )
            place = self.videos.get_place(name_video_member(clip, encode_key)) or encoded.get(clip.clip_id)
            self.result.clips.append(self.make_row(clip, facts, place, failure))

    def _measure_clip(
        self,
        flight: ClipsInFlight,
        clip: Clip,
        probe: Probe,
        encoded: Mapping[str, Mp4Place],
        failures: dict[str, dict | None],
    ) -> None:
        member = name_video_member(clip, self.plan.step_keys["encode"])
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
            failures[clip.clip_id] = failure and failure.to_dict()

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
        """After a worker died on this unit, save the next clip's id, to identify the clip that kills workers."""
        if self.attempt:
            self.records.put_record(VIDEO, "attempt", "", Record(facts={"clip_id": clip.clip_id}))
            self.save()

    def _find_fatal_clip(self) -> str:
        """Return the id of the clip during which workers died twice; "" where there is none."""
        noted = self.records.get(VIDEO, "attempt", "") if self.attempt else None
        return noted.facts["clip_id"] if noted else ""

    def make_video_row(self, ingested: Record) -> dict:
        facts = ingested.facts
        return {
            **make_empty_video_row(self.item.input_id),
            "video_id": facts["video_id"],
            "ingest_key": self.plan.ingest_key,
            "reject_stage": "ingest" if ingested.reject else "",
            "reject": to_json(dump_reject(ingested.reject)),
            "probe": to_json(facts.get("probe")),
            "units": to_json(facts.get("units")),
            "origin": "\n".join(self.origins),
        }

    def add_scan(self, row: dict, scanned: Record) -> None:
        row |= {"scan_key": self.plan.scan_key, "cpu.scan": scanned.cpu_s}
        row["num_frames"] = scanned.facts.get("num_frames", 0)
        if scanned.reject is not None:
            row |= {"reject_stage": "scan", "reject": to_json(dump_reject(scanned.reject))}

    def add_split(self, row: dict, split: Record) -> None:
        shots = [{k: v for k, v in shot.items() if k != "clips"} for shot in split.facts["shots"]]
        row |= {
            "split_key": self.plan.split_key,
            "timed": self.records.get(VIDEO, "scan", self.plan.scan_key).facts["index"]["timed"],
            "cpu.split": split.cpu_s,
            "shots": to_json(shots),
            "transitions": to_json(split.facts["transitions"]),
        }

    def make_video_ref(self, row: dict, probe: Probe) -> VideoRef:
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

    def make_row(self, clip: Clip, facts: Mapping, mp4: Mp4Place | None, failure: dict | None) -> dict:
        return make_clip_row(
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


def make_empty_video_row(input_id: str) -> dict:
    """Return a row of the state table with empty columns."""
    texts = ("video_id", "ingest_key", "scan_key", "split_key", "reject_stage", "reject", "failure", "probe", "units",
             "shots", "transitions", "origin")  # fmt: skip
    return {"input_id": input_id, **dict.fromkeys(texts, ""), "num_frames": 0, "timed": True, "cpu.scan": 0.0,
            "cpu.split": 0.0}  # fmt: skip


@contextmanager
def wrap_stage_errors(stage: str) -> Iterator[None]:
    """Wrap exceptions in a StepError that names the stage, but for those of the source, its server or the user."""
    try:
        yield
    except (ConnectionError, SourceUnavailable, UserError):
        raise
    except Exception as error:
        raise StepError(stage) from error


def get_unit_name(job: Job) -> str:
    """Return the name of the unit that a job works on."""
    match job:
        case ScanJob():
            return f"{job.item.input_id}-scan-{job.index:03d}"
        case ClipsJob():
            return name_group_unit(job.item, job.groups[0].index)
        case _:
            return job.item.input_id


def name_group_unit(item: InputRef, index: int) -> str:
    """Return the unit name of a group of a long video's clips."""
    return f"{item.input_id}-clips-{index:03d}"


def is_long_video(shots: Sequence[Mapping], unit_seconds: float) -> bool:
    """Whether the clips of a split video get jobs of their own."""
    return bool(shots) and shots[-1]["times"][1] >= 1.5 * unit_seconds


def read_records(store: Store, unit: str, origins: tuple[str, ...] = (), *, whole: bool = True) -> UnitRecords:
    """Read the records of a unit; missing ones come from the file of its video and from the data sets in `origins`.

    Unless `whole`, arrays are read when they are needed.
    """
    base = None
    for origin in reversed(origins):
        base = UnitRecords.read(open_store(origin), make_records_name(unit), base, whole=whole)
    video = unit.partition("-")[0]
    if video != unit:
        base = read_records(store, video, origins, whole=False)
    return UnitRecords.read(store, make_records_name(unit), base, whole=whole)


def make_clips(video: VideoRef, shots: list[dict]) -> Iterator[tuple[Clip, Mapping]]:
    """Yield the clips of a split video with their facts: index, times, scores, signature."""
    for shot_index, shot in enumerate(shots):
        for index, row in enumerate(shot["clips"]):
            clip = Clip(
                clip_id=format_clip_id(video.video_id, shot_index, index),
                video=video,
                shot_index=shot_index,
                start_frame=row["start"],
                end_frame=row["end"],
            )
            yield clip, {"index": index, **row}
