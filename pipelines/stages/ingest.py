"""Reads each input once to know what it is: its content's hash and what its header says."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from fractions import Fraction
from pathlib import Path

from humove.ids import settings_hash, video_id_of
from humove.reasons import Reason
from humove.stage import Emit, Reject, Resources
from humove.video.probe import Probe, probe
from humove.video.scan import plan_units
from pipelines.fetch import FetchError, local_file
from pipelines.inputs import InputRef
from pipelines.ledger import Ledger, Record

_FRACTIONS = tuple(f.name for f in fields(Probe) if f.type is Fraction)


def probe_to_json(probed: Probe) -> dict:
    return {k: str(v) if k in _FRACTIONS else v for k, v in asdict(probed).items()}


def probe_from_json(row: dict) -> Probe:
    return Probe(**{k: Fraction(v) if k in _FRACTIONS else v for k, v in row.items()})


class IngestStage:
    """InputRef -> its video id and probe, in the ledger."""

    name = "ingest"
    version = "2"
    batch_size = 1
    resources = Resources(cpus=1)

    def __init__(self, *, ledger: Ledger, scratch: Path, unit_s: float) -> None:
        self.ledger = ledger
        self.scratch = scratch
        self.unit_s = unit_s

    @classmethod
    def key(cls) -> str:
        return settings_hash([cls.name, cls.version])

    def setup(self) -> None:
        """Nothing to load."""

    def process(self, batch: Sequence[InputRef]) -> list[Emit[str] | Reject]:
        return [self._one(item) for item in batch]

    def _one(self, item: InputRef) -> Emit[str] | Reject:
        place = self.ledger.input(item.input_id)
        try:
            with local_file(item, self.scratch) as path:
                probed = probe(path)
                facts = {"video_id": video_id_of(path)}
                if not isinstance(probed, Reject):
                    units = plan_units(path, probed, self.unit_s)
                    facts["units"] = [[u.start_pts, u.end_pts] for u in units]
        except FetchError as e:
            probed, facts = Reject(reason=Reason.UNREADABLE, detail=str(e)), {"video_id": ""}
        if isinstance(probed, Reject):
            place.write(self.name, self.key(), Record(facts=facts, reject=probed))
            return probed
        place.write(self.name, self.key(), Record(facts={**facts, "probe": probe_to_json(probed)}))
        return Emit(outputs=(facts["video_id"],))
