"""Scan -> shots -> clips: pure decisions on the scan's series, with what the screen needs to judge each clip."""

from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np

from humove.reasons import Reason
from humove.stage import Reject
from humove.video.probe import Probe
from humove.video.scan import Scan
from humove.video.scan_store import StoredScan
from humove.video.signature import compute_signature
from pipelines.stages.cuts import Shot, SplitConfig, find_shots, frame_times, plan_clips
from pipelines.stages.screen import screen_scores


class Network(Protocol):
    """What is read of `annotators.transnetv2.network.TransNetV2`, loaded."""

    def annotate(self, batch: list) -> list[np.ndarray]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitResult:
    """A video's shots and clips, JSON-able.

    A row of `shots`: start, end (frames), times (seconds), clips, reject. A clip: start, end, times, scores (the
    screen's), signature (8 integers). `transitions`: start and end of the frames that belong to no shot.
    """

    num_frames: int
    shots: list[dict]
    transitions: list[list[int]]


def split_video(
    scan: Scan | StoredScan, probe: Probe, config: SplitConfig, network: Network | None = None
) -> SplitResult:
    """Divides a scanned video into shots and these into clips, and measures each clip on the scan.

    `network` is asked where the shots change if `config.detector` is transnetv2. Of a stored scan a few chunks of
    pictures are in memory at a time.
    """
    if (network is not None) != (config.detector == "transnetv2"):
        raise ValueError(f"detector {config.detector}: a network is given exactly where the detector is one")
    answers = network.annotate([scan])[0] if network is not None else None
    shots, transitions = find_shots(scan, probe.fps, probe.time_base, config, answers)
    times = frame_times(scan, probe.fps, probe.time_base)
    return SplitResult(
        num_frames=scan.num_frames,
        shots=[_shot_row(scan, probe, shot, times, config) for shot in shots],
        transitions=[[span.start, span.end] for span in transitions],
    )


def _shot_row(scan: Scan | StoredScan, probe: Probe, shot: Shot, times: np.ndarray, config: SplitConfig) -> dict:
    clips = [_clip_row(scan, probe, span, times) for span in plan_clips(shot, times, config)]
    seconds = float(times[shot.end_frame] - times[shot.start_frame])
    return {
        "start": shot.start_frame,
        "end": shot.end_frame,
        "times": [float(times[shot.start_frame]), float(times[shot.end_frame])],
        "clips": clips,
        "reject": None if clips else _too_short(seconds, config.min_seconds),
    }


def _clip_row(scan: Scan | StoredScan, probe: Probe, span: tuple[int, int], times: np.ndarray) -> dict:
    start, end = span
    window = scan.window(start, end)
    return {
        "start": start,
        "end": end,
        "times": [float(times[start]), float(times[end])],
        "scores": screen_scores(window, 0, end - start, probe),
        "signature": [int(v) for v in compute_signature(window, 0, end - start)],
    }


def _too_short(seconds: float, least: float) -> dict:
    detail = f"the shot lasts {seconds:.2f} s, a clip at least {least:g} s"
    return asdict(Reject(reason=Reason.TOO_SHORT, detail=detail, score=seconds, threshold=least))
