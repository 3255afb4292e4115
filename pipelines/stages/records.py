"""Measurements of one unit (a video, or a span of a long one): one object in the ledger, read by member.

    OUT/ledger/records/ab/UNIT.zip   records.json (scores, facts, rejects) and OWNER/STEP.KEY.npz (arrays)
    OUT/ledger/videos/ab/UNIT.tar    the encoded clips, until they are packed into a shard

An owner is "video" or a clip's id with its span. KEY names the settings that a measurement depends on (Plan.step_keys).
Measurements under other settings are kept, so that restoring a setting costs nothing.
"""

import io
import json
import tempfile
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from humove.reasons import Reason
from humove.stage import Reject
from humove.storage.store import Store
from humove.types import Clip
from shards.format import LEDGER_FOLDER

VIDEO = "video"
_DOCUMENT = "records.json"
_KEY = 12
"""Hex digits of a key that a member's name holds."""
_HELD_BYTES = 32_000_000
"""New arrays held in memory; more go to a temporary file."""
FORMER_STEPS = {"picture": "frame_quality"}
"""Steps by their names in ledgers of earlier versions."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Record:
    """The measurements of one owner by one step."""

    scores: dict[str, float] = field(default_factory=dict)
    facts: dict = field(default_factory=dict)
    """Small JSON values that later steps read: a probe, a crop window, a caption."""
    reject: Reject | None = None
    """Set if nothing could be measured, so that no later step can run: a precondition, not a threshold."""
    cpu_s: float = 0.0


def dump_reject(reject: Reject | None) -> dict | None:
    """Return a reject as JSON values, without its scores, which are stored elsewhere."""
    return None if reject is None else {k: v for k, v in asdict(reject).items() if k != "scores"}


def parse_reject(row: dict | None) -> Reject | None:
    return row and Reject(**{**row, "reason": Reason(row["reason"])})


def make_owner_name(clip: Clip) -> str:
    """Return the owner of a clip's measurements: id and span, since other cuts give another span the same id."""
    return f"{clip.clip_id}@{clip.start_frame}-{clip.end_frame}"


def make_records_name(unit_id: str) -> str:
    return f"{LEDGER_FOLDER}/records/{unit_id[:2]}/{unit_id}.zip"


def make_videos_name(unit_id: str) -> str:
    return f"{LEDGER_FOLDER}/videos/{unit_id[:2]}/{unit_id}.tar"


class UnitRecords:
    """The measurements of one unit in memory. Arrays in a file are unpacked when they are read.

    `base` holds the measurements of an earlier data set: it is read, never written.
    """

    def __init__(self, base: "UnitRecords | None" = None) -> None:
        self._records: dict[str, dict[str, dict[str, Record]]] = {}
        self._members: dict[str, tuple[int, int]] = {}
        self._spool = tempfile.SpooledTemporaryFile(max_size=_HELD_BYTES)  # noqa: SIM115 - closed with the object
        self._source: zipfile.ZipFile | None = None
        self._others: list[UnitRecords] = []
        self.base = base
        self.changed = False

    @classmethod
    def read(cls, store: Store, name: str, base: "UnitRecords | None" = None, *, whole: bool = True) -> "UnitRecords":
        """Read the unit's file; empty if it is missing or damaged, so that its content is measured again.

        With `whole` the file is read and checked at once; else members are read on demand, since few of a long video's
        file are needed.
        """
        found = cls(base)
        try:
            raw = io.BytesIO(store.read(name)) if whole else store.open(name)
            found._source = zipfile.ZipFile(raw)
            document = json.loads(found._source.read(_DOCUMENT))
            if whole and found._source.testzip() is not None:
                return cls(base)
        except FileNotFoundError:
            return found
        except (zipfile.BadZipFile, KeyError, json.JSONDecodeError, EOFError, ValueError):
            return cls(base)
        for owner, steps in document.items():
            for step, keys in steps.items():
                for key, row in keys.items():
                    record = Record(**{**row, "reject": parse_reject(row["reject"])})
                    found._records.setdefault(owner, {}).setdefault(FORMER_STEPS.get(step, step), {})[key] = record
        return found

    def get(self, owner: str, step: str, key: str) -> Record | None:
        """Return the record; None if the step has not run with this key."""
        record = self._records.get(owner, {}).get(step, {}).get(key[:_KEY])
        return self.base.get(owner, step, key) if record is None and self.base is not None else record

    def read_arrays(self, owner: str, step: str, key: str) -> dict[str, np.ndarray]:
        """Read the arrays that were written with the record. KeyError if there are none."""
        with np.load(io.BytesIO(self.read_member(owner, f"{step}.{key[:_KEY]}.npz")), allow_pickle=False) as box:
            return {name: box[name] for name in box.files}

    def read_member(self, owner: str, name: str) -> bytes:
        """Read a member by its owner and name. KeyError if there is none."""
        full = f"{owner}/{name}"
        if full in self._members:
            offset, size = self._members[full]
            self._spool.seek(offset)
            return self._spool.read(size)
        if self._source is not None:
            try:
                return self._source.read(full)
            except KeyError:
                pass
        for other in (*self._others, *([self.base] if self.base else [])):
            try:
                return other.read_member(owner, name)
            except KeyError:
                pass
        raise KeyError(full)

    def put_record(
        self, owner: str, step: str, key: str, record: Record, arrays: dict[str, np.ndarray] | None = None
    ) -> None:
        """Add a record and its arrays, in memory until `save`."""
        if arrays:
            raw = io.BytesIO()
            np.savez_compressed(raw, allow_pickle=False, **arrays)
            self.put_member(owner, f"{step}.{key[:_KEY]}.npz", raw.getvalue())
        self._records.setdefault(owner, {}).setdefault(step, {})[key[:_KEY]] = record
        self.changed = True

    def put_member(self, owner: str, name: str, raw: bytes) -> None:
        """Add the bytes of a step that has its own format."""
        offset = self._spool.seek(0, io.SEEK_END)
        self._spool.write(raw)
        self._members[f"{owner}/{name}"] = (offset, len(raw))
        self.changed = True

    def merge(self, other: "UnitRecords") -> None:
        """Add the content of another unit's file; its arrays stay there until `save` copies them."""
        for owner, steps in other._records.items():
            for step, keys in steps.items():
                self._records.setdefault(owner, {}).setdefault(step, {}).update(keys)
        self._others.append(other)
        self.changed = True

    def list_members(self) -> list[str]:
        """List the members of the file, without those of `base`."""
        stored = self._source.namelist() if self._source is not None else []
        others = (name for other in self._others for name in other.list_members())
        return sorted({*stored, *self._members, *others} - {_DOCUMENT})

    def save(self, store: Store, name: str, scratch: Path) -> None:
        """Write the file atomically, member by member, without the content of `base`."""
        document = {
            owner: {
                step: {key: {**asdict(record), "reject": dump_reject(record.reject)} for key, record in keys.items()}
                for step, keys in steps.items()
            }
            for owner, steps in self._records.items()
        }
        with tempfile.TemporaryDirectory(dir=scratch, prefix="records-") as folder:
            path = Path(folder) / "unit.zip"
            with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as box:
                box.writestr(_DOCUMENT, json.dumps(document, sort_keys=True, ensure_ascii=False))
                for member in self.list_members():
                    owner, _, rest = member.partition("/")
                    box.writestr(member, self.read_member(owner, rest))
            store.write_file(name, path)
        self.changed = False
