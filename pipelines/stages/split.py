"""Scan -> shots -> clips: pure decisions on the scan's series, with what the screen needs to judge each clip."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from annotators.transnetv2.network import TransNetV2
from humove.reasons import Reason
from humove.stage import Emit, Reject, Resources
from humove.video.probe import Probe
from humove.video.scan import Scan
from pipelines.fetch import local_file
from pipelines.inputs import InputRef
from pipelines.ledger import Record
from pipelines.stages.cuts import Shot, SplitConfig, find_shots, frame_times, plan_clips
from pipelines.stages.scan import ScanStage
from pipelines.stages.screen import screen_scores
from shards.near_duplicates import signature


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitJob:
    """One scanned video. `split_key` names the result in the ledger."""

    item: InputRef
    video_id: str
    probe: Probe
    num_units: int
    split_key: str


class SplitStage:
    """SplitJob -> the video's shots and clips, in the ledger."""

    name = "split"
    version = "3"
    batch_size = 1

    def __init__(self, *, scans: ScanStage, config: SplitConfig, gpus: float = 0.0) -> None:
        self.scans = scans
        self.config = config
        self.resources = Resources(cpus=1, gpus=gpus)
        self._network: TransNetV2 | None = None

    def setup(self) -> None:
        if self.config.detector == "transnetv2":
            self._network = TransNetV2()
            self._network.load("cuda" if self.resources.gpus else "cpu")

    def process(self, batch: Sequence[SplitJob]) -> list[Emit[str] | Reject]:
        return [self._one(job) for job in batch]

    def _one(self, job: SplitJob) -> Emit[str] | Reject:
        place = self.scans.ledger.video(job.video_id)
        scanned = place.read(self.scans.name, self.scans.key())
        if scanned is None:
            scanned = self._join(job)
        if scanned.reject is not None:
            return scanned.reject
        start = time.process_time()
        scan = Scan.from_arrays(place.arrays(self.scans.name, self.scans.key()))
        answers = self._network.annotate([scan])[0] if self._network else None
        shots, transitions = find_shots(scan, job.probe.fps, job.probe.time_base, self.config, answers)
        times = frame_times(scan, job.probe.fps, job.probe.time_base)
        facts = {
            "shots": [self._shot(scan, job.probe, shot, times) for shot in shots],
            "transitions": [[span.start, span.end] for span in transitions],
        }
        place.write(self.name, job.split_key, Record(facts=facts, cpu_s=time.process_time() - start))
        return Emit(outputs=(job.video_id,))

    def _shot(self, scan: Scan, probe: Probe, shot: Shot, times: np.ndarray) -> dict:
        spans = plan_clips(shot, times, self.config)
        clips = [
            {
                "start": start,
                "end": end,
                "times": [float(times[start]), float(times[end])],
                "scores": screen_scores(scan, start, end, probe),
                "signature": [int(v) for v in signature(scan, start, end)],
            }
            for start, end in spans
        ]
        return {
            "start": shot.start_frame,
            "end": shot.end_frame,
            "times": [float(times[shot.start_frame]), float(times[shot.end_frame])],
            "clips": clips,
            "reject": self._too_short(shot, times, clips),
        }

    def _too_short(self, shot: Shot, times: np.ndarray, clips: list[dict]) -> dict | None:
        if clips:
            return None
        seconds = float(times[shot.end_frame] - times[shot.start_frame])
        bar = self.config.min_seconds
        detail = f"the shot lasts {seconds:.2f} s, a clip at least {bar:g} s"
        return asdict(Reject(reason=Reason.TOO_SHORT, detail=detail, score=seconds, threshold=bar))

    def _join(self, job: SplitJob) -> Record:
        """Puts the parts of a long video together."""
        parts, cpu_s = [], 0.0
        for index in range(job.num_units):
            part = self.scans.read_part(job.video_id, index)
            if part is None:
                raise RuntimeError(f"{job.video_id}: part {index} of {job.num_units} of the scan is missing")
            parts.append(part[0])
            cpu_s += part[1]
        with local_file(job.item, self.scans.scratch) as path:
            self.scans.write_joined(job.video_id, path, job.probe, parts, cpu_s)
        return self.scans.ledger.video(job.video_id).read(self.scans.name, self.scans.key())
