"""Identification of a file: the hash of its content, its header, and the units in which it is scanned."""

from dataclasses import dataclass
from pathlib import Path

from humove.ids import compute_video_id
from humove.stage import Reject
from humove.video.container import count_missing_bytes
from humove.video.probe import Probe, probe_video
from humove.video.scan import ScanUnit, plan_units


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestResult:
    """A file that is a video."""

    video_id: str
    probe: Probe
    units: tuple[ScanUnit, ...]
    """The pieces that workers scan; one if the video is short or cannot be divided."""
    missing_bytes: int
    """Bytes that the header declares beyond the file's end; the scan's join rejects a file that has any."""


def ingest_video(path: Path, unit_s: float) -> Reject | IngestResult:
    """Identify a local file; a reject if `probe_video` rejects it."""
    probed = probe_video(path)
    if isinstance(probed, Reject):
        return probed
    return IngestResult(
        video_id=compute_video_id(path),
        probe=probed,
        units=tuple(plan_units(path, probed, unit_s)),
        missing_bytes=count_missing_bytes(path),
    )
