"""The build's own state on disk: what was measured, of what, with which settings. Resume is reading it.

    OUT/ledger/batches/000000.jsonl                     the frozen input list of a batch
    OUT/ledger/inputs/ab/abcdef.../ingest.KEY.json      one input file: its id and probe, or why it can't be read
    OUT/ledger/videos/ab/abcdef.../scan-000.KEY.npz     the per-frame series of one unit of a video
    OUT/ledger/clips/ab/abcdef...-s0000-c0000-p00/      one record a step: track, crop, pose2d, motion, ...
    OUT/ledger/config.json                              the settings of the build that last worked here
    OUT/ledger/marks/SHA256.jsonl                       what people said of clips, where a build heeds it
    OUT/ledger/quarantine/UNIT.json                     a fault, with its traceback

A record is a .json of scores (or of the reason why there is nothing) beside an .npz of arrays. KEY names all that
the record depends on: content, step, version, settings, and the records before it. Thresholds are no part of it:
they are applied when records are read, so that moving one measures nothing again. The .json is written last and
atomically: a record is there, whole, or it is not.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from humove.atomic import replacing, write_text
from humove.reasons import Reason
from humove.stage import Reject
from pipelines.inputs import InputRef


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Record:
    """What one step measured of one unit."""

    scores: dict[str, float] = field(default_factory=dict)
    facts: dict = field(default_factory=dict)
    """Small JSON values that later steps read: a probe, a crop window, a caption."""
    reject: Reject | None = None
    """Set where nothing could be measured, so that no later step can run: a precondition, not a threshold."""
    cpu_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRecord:
    """An exception in our own code, kept for the developer."""

    unit_id: str
    stage: str
    error: str
    traceback: str
    config_hash: str


class Place:
    """Where the records of one unit (an input, a video, a clip) lie."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, step: str, key: str, suffix: str) -> Path:
        return self.folder / f"{step}.{key[:12]}.{suffix}"

    def read(self, step: str, key: str) -> Record | None:
        """The record, or None where the step has not run with this key."""
        try:
            text = self.file(step, key, "json").read_text(encoding="utf-8")
            row = json.loads(text)
        except (FileNotFoundError, json.JSONDecodeError):  # a damaged record is measured again
            return None
        if row["reject"] is not None:
            row["reject"] = Reject(**{**row["reject"], "reason": Reason(row["reject"]["reason"])})
        return Record(**row)

    def arrays(self, step: str, key: str) -> dict[str, np.ndarray]:
        """The arrays that were written with the record."""
        with np.load(self.file(step, key, "npz"), allow_pickle=False) as z:
            return {name: z[name] for name in z.files}

    def write(self, step: str, key: str, record: Record, arrays: dict[str, np.ndarray] | None = None) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if arrays:
            with replacing(self.file(step, key, "npz")) as temporary:
                np.savez_compressed(temporary, allow_pickle=False, **arrays)
        write_text(self.file(step, key, "json"), json.dumps(asdict(record), sort_keys=True, ensure_ascii=False))


class Ledger:
    """The folder OUT/ledger. Any number of workers may write to it at once; each unit has one writer at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def input(self, input_id: str) -> Place:
        return Place(self.folder / "inputs" / input_id[:2] / input_id)

    def video(self, video_id: str) -> Place:
        return Place(self.folder / "videos" / video_id[:2] / video_id)

    def clip(self, clip_id: str) -> Place:
        return Place(self.folder / "clips" / clip_id[:2] / clip_id)

    @property
    def config_file(self) -> Path:
        """The settings of the build that last worked here: what a look at an unfinished one goes by."""
        return self.folder / "config.json"

    @property
    def marks_folder(self) -> Path:
        """Where the marks lie that builds were told to heed."""
        return self.folder / "marks"

    def index_part(self, shard: str) -> Path:
        """Where the index rows of a shard wait for the commit."""
        return self.folder / "parts" / f"{shard}.jsonl"

    def batch_numbers(self) -> list[int]:
        return sorted(int(p.stem) for p in (self.folder / "batches").glob("*.jsonl") if p.stem.isdigit())

    def batch_file(self, number: int) -> Path:
        return self.folder / "batches" / f"{number:06d}.jsonl"

    def batch(self, number: int) -> Iterator[InputRef]:
        with self.batch_file(number).open(encoding="utf-8") as f:
            for line in f:
                yield InputRef.from_json(line)

    def freeze(self, number: int, inputs: list[InputRef]) -> None:
        """Fixes the input list of a batch for good."""
        text = "".join(i.to_json() + "\n" for i in inputs)
        write_text(self.batch_file(number), text)

    def _quarantine(self, unit_id: str) -> Path:
        return self.folder / "quarantine" / f"{unit_id}.json"

    def quarantine(self, fault: FaultRecord) -> None:
        write_text(self._quarantine(fault.unit_id), json.dumps(asdict(fault), indent=2, ensure_ascii=False))

    def fault(self, unit_id: str, config_hash: str) -> FaultRecord | None:
        """The fault of a unit under this configuration, if it had one."""
        try:
            fault = FaultRecord(**json.loads(self._quarantine(unit_id).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        return fault if fault.config_hash == config_hash else None

    def pardon(self, unit_id: str) -> None:
        """Forgets a fault, so that the unit is tried again."""
        self._quarantine(unit_id).unlink(missing_ok=True)
