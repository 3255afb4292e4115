"""Reads a file once to know what it is: its content's hash, what its header says, and the units it is scanned in."""

from dataclasses import dataclass
from pathlib import Path

from humove.ids import video_id_of
from humove.stage import Reject
from humove.video.container import missing_bytes
from humove.video.probe import Probe, probe
from humove.video.scan import Unit, plan_units


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestResult:
    """A file that is a video."""

    video_id: str
    probe: Probe
    units: tuple[Unit, ...]
    """The pieces that workers scan; one where the video is short or can't be divided."""
    missing_bytes: int
    """Bytes that the file's own header speaks of beyond its end; the scan's join rejects where there are any."""


def ingest_video(path: Path, unit_s: float) -> Reject | IngestResult:
    """What a local file is. Rejects what `probe` rejects; `video_id_of` names such a file, too."""
    probed = probe(path)
    if isinstance(probed, Reject):
        return probed
    return IngestResult(
        video_id=video_id_of(path),
        probe=probed,
        units=tuple(plan_units(path, probed, unit_s)),
        missing_bytes=missing_bytes(path),
    )
