"""Scan -> shots -> clips: decisions on the scan's series, with the screen's scores of each clip."""

from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np

from humove.reasons import Reason
from humove.stage import Reject
from humove.video.probe import Probe
from humove.video.scan import Scan
from humove.video.scan_store import StoredScan
from humove.video.signature import compute_signature
from pipelines.stages.screen import compute_screen_scores
from pipelines.stages.shots.cuts import Shot, SplitConfig, compute_frame_times, find_shots, plan_clips


class ShotNetwork(Protocol):
    """The interface used of a loaded `annotators.transnetv2.network.TransNetV2`."""

    def annotate(self, batch: list) -> list[np.ndarray]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitResult:
    """A video's shots and clips, as JSON values.

    A row of `shots`: start, end (frames), times (seconds), clips, reject. A clip: start, end, times, scores (the
    screen's), signature (8 integers). `transitions`: start and end of the frames that belong to no shot.
    """

    num_frames: int
    shots: list[dict]
    transitions: list[list[int]]


def split_video(
    scan: Scan | StoredScan, probe: Probe, config: SplitConfig, network: ShotNetwork | None = None
) -> SplitResult:
    """Divide a scanned video into shots and clips, and measure each clip on the scan.

    `network` detects the shots if `config.detector` is transnetv2. A few chunks of frames of a stored scan are in
    memory at a time.
    """
    if (network is not None) != (config.detector == "transnetv2"):
        raise ValueError(f"detector {config.detector}: a network is required exactly if the detector is one")
    scores = network.annotate([scan])[0] if network is not None else None
    shots, transitions = find_shots(scan, probe.fps, probe.time_base, config, scores)
    times = compute_frame_times(scan, probe.fps, probe.time_base)
    return SplitResult(
        num_frames=scan.num_frames,
        shots=[_make_shot_row(scan, probe, shot, times, config) for shot in shots],
        transitions=[[span.start, span.end] for span in transitions],
    )


def _make_shot_row(scan: Scan | StoredScan, probe: Probe, shot: Shot, times: np.ndarray, config: SplitConfig) -> dict:
    clips = [_make_clip_row(scan, probe, span, times) for span in plan_clips(shot, times, config)]
    seconds = float(times[shot.end_frame] - times[shot.start_frame])
    return {
        "start": shot.start_frame,
        "end": shot.end_frame,
        "times": [float(times[shot.start_frame]), float(times[shot.end_frame])],
        "clips": clips,
        "reject": None if clips else _make_too_short(seconds, config.min_seconds),
    }


def _make_clip_row(scan: Scan | StoredScan, probe: Probe, span: tuple[int, int], times: np.ndarray) -> dict:
    start, end = span
    window = scan.take_window(start, end)
    return {
        "start": start,
        "end": end,
        "times": [float(times[start]), float(times[end])],
        "scores": compute_screen_scores(window, 0, end - start, probe),
        "signature": [int(v) for v in compute_signature(window, 0, end - start)],
    }


def _make_too_short(seconds: float, min_seconds: float) -> dict:
    detail = f"the shot lasts {seconds:.2f} s, a clip at least {min_seconds:g} s"
    return asdict(Reject(reason=Reason.TOO_SHORT, detail=detail, score=seconds, threshold=min_seconds))
