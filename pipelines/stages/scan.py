"""The small decode of every frame, one bounded unit of a video at a time."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from humove.ids import settings_hash
from humove.stage import Emit, Reject, Resources
from humove.video.probe import Probe
from humove.video.scan import ScanPart, Unit, join, scan_unit
from pipelines.fetch import local_file
from pipelines.inputs import InputRef
from pipelines.ledger import Ledger, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanJob:
    """One unit of one video."""

    item: InputRef
    video_id: str
    probe: Probe
    unit: Unit
    unit_index: int
    num_units: int


def part_step(unit_index: int) -> str:
    return f"scan-part-{unit_index:03d}"


class ScanStage:
    """ScanJob -> the series of its frames, in the ledger. A video of one unit is joined at once."""

    name = "scan"
    version = "1"
    batch_size = 1
    resources = Resources(cpus=1)

    def __init__(self, *, ledger: Ledger, scratch: Path) -> None:
        self.ledger = ledger
        self.scratch = scratch

    @classmethod
    def key(cls) -> str:
        return settings_hash([cls.name, cls.version])

    def setup(self) -> None:
        """Nothing to load."""

    def process(self, batch: Sequence[ScanJob]) -> list[Emit[str]]:
        return [self._one(job) for job in batch]

    def _one(self, job: ScanJob) -> Emit[str]:
        place = self.ledger.video(job.video_id)
        with local_file(job.item, self.scratch) as path:
            start = time.process_time()
            part = scan_unit(path, job.probe, job.unit)
            if job.num_units == 1:
                self.write_joined(job.video_id, path, job.probe, [part], time.process_time() - start)
            else:
                arrays = {**part.series, "first": part.first, "last": part.last}
                record = Record(reject=part.damage, cpu_s=time.process_time() - start)
                place.write(part_step(job.unit_index), self.key(), record, arrays)
        return Emit(outputs=(job.video_id,))

    def write_joined(self, video_id: str, path: Path, probe: Probe, parts: list[ScanPart], cpu_s: float) -> None:
        """Writes the scan of a whole video, or why it has none."""
        joined = join(path, probe, parts)
        place = self.ledger.video(video_id)
        if isinstance(joined, Reject):
            place.write(self.name, self.key(), Record(reject=joined, cpu_s=cpu_s))
        else:
            frames = {"num_frames": joined.num_frames}
            place.write(self.name, self.key(), Record(facts=frames, cpu_s=cpu_s), joined.to_arrays())

    def read_part(self, video_id: str, unit_index: int) -> tuple[ScanPart, float] | None:
        """A part that a worker has written, and its CPU seconds; None where it has not."""
        place = self.ledger.video(video_id)
        record = place.read(part_step(unit_index), self.key())
        if record is None:
            return None
        arrays = place.arrays(part_step(unit_index), self.key())
        ends = {name: arrays.pop(name) for name in ("first", "last")}
        return ScanPart(series=arrays, damage=record.reject, **ends), record.cpu_s
