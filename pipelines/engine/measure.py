"""The stage that measures: one job, from the source file to records in the ledger and rows for the driver.

A job may be killed or run twice: what the file of a unit already holds is not measured again.
"""

import socket
from collections.abc import Mapping
from functools import cached_property

from annotators.network import Network
from annotators.transnetv2.network import TransNetV2
from humove.storage.store import Store
from pipelines.engine.jobs import ClipsJob, Job, JobResult, MergeJob, ScanJob, SplitJob, VideoJob
from pipelines.engine.ledger import Ledger
from pipelines.engine.plan import Plan
from pipelines.engine.rows import make_failure, to_json
from pipelines.engine.unit_work import (
    UnitWork,
    is_long_video,
    make_clips,
    make_empty_video_row,
    name_group_unit,
    wrap_stage_errors,
)
from pipelines.inputs.cache import SourceCache, SourceUnavailable
from pipelines.stages.records import VIDEO, UnitRecords, make_records_name
from pipelines.stages.video.probe_json import parse_probe
from pipelines.stages.video.scan_video import SPAN, join_scan, scan_span


class MeasureStage:
    """A stage that turns a Job into a JobResult: the heavy work of a build, with any executor."""

    name = "measure"

    def __init__(self, plan: Plan, store: Store, networks: Mapping[str, Network] | None = None) -> None:
        self.plan, self.store, self.networks = plan, store, networks or {}
        self.driver = socket.gethostname()

    def setup(self) -> None:
        Ledger(self.store).require_visible()
        for step in self.plan.steps:
            step.setup(self.networks)
        execution = self.plan.config.execution
        self.cache = SourceCache(self.plan.scratch / "humove-sources", execution.cache_megabytes * 1_000_000)

    @cached_property
    def cuts(self) -> TransNetV2 | None:
        """The network that detects cuts; None where the configuration uses another detector."""
        if self.plan.config.split.detector != "transnetv2":
            return None
        network = TransNetV2()
        network.load("cpu", self.networks.get("cuts"))
        return network

    def process(self, job: Job, attempt: int) -> JobResult:
        try:
            with UnitWork(self, job, attempt) as work:
                return run_job(work)
        except SourceUnavailable as error:
            return make_failed_result(job, make_failure(STAGE_OF[type(job)], str(error), kind="rejected"))
        except ConnectionError as error:  # the source's server, or the set's own store: the next run tries again
            return make_failed_result(job, make_failure(STAGE_OF[type(job)], f"{type(error).__name__}: {error}"))


STAGE_OF = {VideoJob: "ingest", ScanJob: "scan", SplitJob: "split", ClipsJob: "screen", MergeJob: "encode"}


def make_failed_result(job: Job, failure: dict) -> JobResult:
    """Return the result of a job that failed as a whole: a video row with the failure, and a line for the user."""
    row = {**make_empty_video_row(job.item.input_id), "failure": to_json(failure)}
    lines = [f"fault: {job.item.uri}: {failure['error']}"] if failure["kind"] == "faulted" else []
    return JobResult(videos=[row], lines=lines)


def run_job(work: UnitWork) -> JobResult:
    """Run the job of a unit and return the rows for the driver."""
    match work.job:
        case VideoJob():
            _run_video(work, work.job)
        case ScanJob():
            _scan_span(work, work.job)
        case SplitJob():
            _split_long(work, work.job)
        case ClipsJob():
            _measure_groups(work, work.job)
        case MergeJob():
            _merge_groups(work, work.job)
    return work.result


def _run_video(work: UnitWork, job: VideoJob) -> None:
    """Measure a short video from ingest to encoded clips; stop after ingest or split where the video is long."""
    with wrap_stage_errors("ingest"):
        ingested = work.measure_ingest()
    row = work.make_video_row(ingested)
    work.result.videos.append(row)
    if ingested.reject is not None or row["video_id"] in job.known_ids:
        work.save()
        return
    probe = parse_probe(ingested.facts["probe"])
    if len(ingested.facts["units"]) > 1:
        work.save()
        return
    with wrap_stage_errors("scan"):
        scanned = work.measure_scan(probe)
    work.add_scan(row, scanned)
    if scanned.reject is not None:
        work.save()
        return
    with wrap_stage_errors("split"):
        split = work.measure_split(probe)
    work.add_split(row, split)
    clips = list(make_clips(work.make_video_ref(row, probe), split.facts["shots"]))
    if is_long_video(split.facts["shots"], work.plan.config.execution.unit_seconds):
        work.result.is_long = True
        work.result.clips += [work.make_row(clip, facts, None, None) for clip, facts in clips]
        work.save()
        return
    if job.clip_ids is not None:
        clips = [(clip, facts) for clip, facts in clips if clip.clip_id in job.clip_ids]
    work.measure_clips(probe, clips, job.encoded)


def _scan_span(work: UnitWork, job: ScanJob) -> None:
    with wrap_stage_errors("scan"):
        if work.records.get(f"{VIDEO}-{job.index:03d}", SPAN, work.plan.scan_key) is None:
            work.result.measured["scan"] += 1
            scan_span(work.records, work.plan.scan_key, work.path, job.probe, job.unit, job.index)
        work.save()


def _split_long(work: UnitWork, job: SplitJob) -> None:
    """Join the scanned spans of a long video and split it into clips."""
    key, names = work.plan.scan_key, [f"{job.item.input_id}-scan-{i:03d}" for i in range(job.num_units)]
    with wrap_stage_errors("scan"):
        row = work.make_video_row(work.measure_ingest())
        work.result.videos.append(row)
        scanned = work.records.get(VIDEO, "scan", key)
        if scanned is None:
            for name in names:
                work.records.merge(UnitRecords.read(work.store, make_records_name(name), whole=False))
            spans = [work.records.get(f"{VIDEO}-{i:03d}", SPAN, key) for i in range(job.num_units)]
            scanned = join_scan(work.records, key, work.path, job.probe, spans)
    work.add_scan(row, scanned)
    if scanned.reject is None:
        with wrap_stage_errors("split"):
            split = work.measure_split(job.probe)
        work.add_split(row, split)
        for clip, facts in make_clips(work.make_video_ref(row, job.probe), split.facts["shots"]):
            work.result.clips.append(work.make_row(clip, facts, None, None))
    work.save()
    work.store.delete([make_records_name(name) for name in names])


def _measure_groups(work: UnitWork, job: ClipsJob) -> None:
    for group in job.groups:
        work.open_unit(name_group_unit(job.item, group.index))
        work.measure_clips(job.probe, list(group.clips), job.encoded)


def _merge_groups(work: UnitWork, job: MergeJob) -> None:
    """Merge the records of a long video's clip groups into the file of the video."""
    names = [name_group_unit(job.item, index) for index in job.indices]
    for name in names:
        work.records.merge(UnitRecords.read(work.store, make_records_name(name), whole=False))
    work.save()
    work.store.delete([make_records_name(name) for name in names])
