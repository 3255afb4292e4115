"""What was measured of one unit (a video, or a span of a long one): one object in the ledger, read by member.

    OUT/ledger/records/ab/UNIT.zip   records.json (scores, facts, rejects) and OWNER/STEP.KEY.npz (arrays)
    OUT/ledger/videos/ab/UNIT.tar    the encoded clips, until they are packed into a shard

An owner is "video" or a clip's id with its span. KEY names the settings that a measurement depends on (Plan.step_keys):
measurements made under other settings stay beside those of now, so that a setting that is moved back costs nothing.
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
"""New arrays that are held in memory; more of them wait in a temporary file."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Record:
    """What one step measured of one owner."""

    scores: dict[str, float] = field(default_factory=dict)
    facts: dict = field(default_factory=dict)
    """Small JSON values that later steps read: a probe, a crop window, a caption."""
    reject: Reject | None = None
    """Set where nothing could be measured, so that no later step can run: a precondition, not a threshold."""
    cpu_s: float = 0.0


def reject_to_json(reject: Reject | None) -> dict | None:
    """A reject as JSON values; the scores that it carries are stored elsewhere."""
    return None if reject is None else {k: v for k, v in asdict(reject).items() if k != "scores"}


def reject_from_json(row: dict | None) -> Reject | None:
    return row and Reject(**{**row, "reason": Reason(row["reason"])})


def owner_of(clip: Clip) -> str:
    """The name of a clip's measurements: its id and its span, since other cuts give another span the same id."""
    return f"{clip.clip_id}@{clip.start_frame}-{clip.end_frame}"


def records_name(unit_id: str) -> str:
    return f"{LEDGER_FOLDER}/records/{unit_id[:2]}/{unit_id}.zip"


def videos_name(unit_id: str) -> str:
    return f"{LEDGER_FOLDER}/videos/{unit_id[:2]}/{unit_id}.tar"


class UnitRecords:
    """The measurements of one unit in memory. Arrays of a file that was read are unpacked when they are asked for.

    `base` holds what an earlier data set has measured of the unit: it is read, never written.
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
        """The unit's file; empty where there is none, or a damaged one: what it held is measured again.

        With `whole` the file is read and checked at once; else members are read as they are asked for: of a long
        video's file one needs few.
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
                    record = Record(**{**row, "reject": reject_from_json(row["reject"])})
                    found._records.setdefault(owner, {}).setdefault(step, {})[key] = record
        return found

    def get(self, owner: str, step: str, key: str) -> Record | None:
        """The record, or None where the step has not run with this key."""
        record = self._records.get(owner, {}).get(step, {}).get(key[:_KEY])
        return self.base.get(owner, step, key) if record is None and self.base is not None else record

    def arrays(self, owner: str, step: str, key: str) -> dict[str, np.ndarray]:
        """The arrays that were written with the record. KeyError where there are none."""
        with np.load(io.BytesIO(self.member(owner, f"{step}.{key[:_KEY]}.npz")), allow_pickle=False) as box:
            return {name: box[name] for name in box.files}

    def member(self, owner: str, name: str) -> bytes:
        """A member by its owner and name. KeyError where there is none."""
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
                return other.member(owner, name)
            except KeyError:
                pass
        raise KeyError(full)

    def put(self, owner: str, step: str, key: str, record: Record, arrays: dict[str, np.ndarray] | None = None) -> None:
        """Adds a record and its arrays, in memory until `save`."""
        if arrays:
            raw = io.BytesIO()
            np.savez_compressed(raw, allow_pickle=False, **arrays)
            self.put_member(owner, f"{step}.{key[:_KEY]}.npz", raw.getvalue())
        self._records.setdefault(owner, {}).setdefault(step, {})[key[:_KEY]] = record
        self.changed = True

    def put_member(self, owner: str, name: str, raw: bytes) -> None:
        """Adds bytes of a step that has a format of its own for them."""
        offset = self._spool.seek(0, io.SEEK_END)
        self._spool.write(raw)
        self._members[f"{owner}/{name}"] = (offset, len(raw))
        self.changed = True

    def merge(self, other: "UnitRecords") -> None:
        """Takes over all that another unit's file holds; its arrays stay there until `save` copies them."""
        for owner, steps in other._records.items():
            for step, keys in steps.items():
                self._records.setdefault(owner, {}).setdefault(step, {}).update(keys)
        self._others.append(other)
        self.changed = True

    def member_names(self) -> list[str]:
        """Every member of the file itself, those of `base` left out."""
        stored = self._source.namelist() if self._source is not None else []
        others = (name for other in self._others for name in other.member_names())
        return sorted({*stored, *self._members, *others} - {_DOCUMENT})

    def save(self, store: Store, name: str, scratch: Path) -> None:
        """Writes the file, whole or not at all, member by member. What `base` holds is not copied."""
        document = {
            owner: {
                step: {key: {**asdict(record), "reject": reject_to_json(record.reject)} for key, record in keys.items()}
                for step, keys in steps.items()
            }
            for owner, steps in self._records.items()
        }
        with tempfile.TemporaryDirectory(dir=scratch, prefix="records-") as folder:
            path = Path(folder) / "unit.zip"
            with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as box:
                box.writestr(_DOCUMENT, json.dumps(document, sort_keys=True, ensure_ascii=False))
                for member in self.member_names():
                    owner, _, rest = member.partition("/")
                    box.writestr(member, self.member(owner, rest))
            store.write_file(name, path)
        self.changed = False
