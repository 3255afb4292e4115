"""The ledger, a build's own part of a data set: its inputs, the last settings, and the state of the work.

OUT/ledger/engine.json              the version of this layout
OUT/ledger/config.json              the settings of the last build
OUT/ledger/base.json                the data set that this one is selected from, if any
OUT/ledger/batches/000000.jsonl     the frozen input list of a batch
OUT/ledger/marks/SHA256.jsonl       people's labels of clips, where a build uses them
OUT/ledger/state/000000/            the state table of a batch (pipelines.engine.state)
OUT/ledger/records/, videos/        measurements, and encoded clips that are not packed yet (pipelines.stages.records)
OUT/ledger/tables/                  the measurements of each clip, one part per batch (shards.tables)
OUT/ledger/packed/SHARD.json        a shard that is written but not committed
OUT/ledger/commits/000000.json      a committed batch that is not cleaned up yet
OUT/ledger/faults.jsonl             the faults of the last run, with their tracebacks
"""

import json
import socket

from humove.errors import UserError
from humove.ids import hash_bytes
from humove.storage.store import Store, open_store
from pipelines.engine.state import BatchState
from pipelines.inputs.reference import InputRef
from shards.format import LEDGER_FOLDER

_VERSION = 2
_ENGINE = "engine.json"
_BATCHES = f"{LEDGER_FOLDER}/batches"


class Ledger:
    """The folder OUT/ledger of a store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def get_name(self, rest: str) -> str:
        """Return the name in the store of a file of the ledger."""
        return f"{LEDGER_FOLDER}/{rest}"

    def read_json(self, rest: str) -> dict | None:
        """Return a small document; None where it is missing or damaged."""
        try:
            return json.loads(self.store.read(self.get_name(rest)))
        except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
            return None

    def write_json(self, rest: str, document: dict) -> None:
        self.store.write(self.get_name(rest), json.dumps(document, sort_keys=True, ensure_ascii=False).encode())

    def require_visible(self) -> None:
        """Raise UserError where this machine does not see the data set of the machine that runs the build."""
        if not self.store.exists(self.get_name(_ENGINE)):
            raise UserError(
                f"{socket.gethostname()} does not see OUT={self.store}: give OUT as an address (s3://, gs://), or a "
                "folder that all machines see"
            )

    def check_version(self) -> None:
        """Raise UserError where the ledger has a layout that this engine cannot resume from."""
        found = self.read_json(_ENGINE)
        if (found or {}).get("version") != _VERSION and self.list_batch_numbers():
            raise UserError(
                f"OUT={self.store}: was built by another version of the toolkit; it can still be read, verified and "
                "trained on, but not extended or reselected: build into a new OUT for that"
            )

    def write_version(self) -> None:
        """Write the layout version, before any batch: a ledger with batches but no version counts as an old one."""
        self.write_json(_ENGINE, {"version": _VERSION})

    def write_settings(self, settings: dict) -> None:
        """Write the settings of this build."""
        self.write_json("config.json", settings)

    def list_batch_numbers(self) -> list[int]:
        names = (entry.name.rpartition("/")[2] for entry in self.store.list(_BATCHES))
        return sorted(int(name.removesuffix(".jsonl")) for name in names if name.removesuffix(".jsonl").isdigit())

    def read_batch_bytes(self, number: int) -> bytes:
        return self.store.read(f"{_BATCHES}/{number:06d}.jsonl")

    def read_batch(self, number: int) -> list[InputRef]:
        return [InputRef.from_json(line) for line in self.read_batch_bytes(number).decode().split("\n") if line]

    def hash_batch(self, number: int) -> str:
        return hash_bytes(self.read_batch_bytes(number))

    def freeze_batch(self, number: int, items: list[InputRef]) -> None:
        """Write the input list of a batch, which never changes again."""
        text = "".join(f"{item.to_json()}\n" for item in items)
        self.store.write(f"{_BATCHES}/{number:06d}.jsonl", text.encode())

    def open_state(self, number: int) -> BatchState:
        base = self.open_base()
        return BatchState(store=self.store, number=number, base=base.open_state(number) if base else None)

    def open_base(self) -> "Ledger | None":
        """Open the ledger of the data set that this one is selected from; None where there is none."""
        found = self.read_json("base.json")
        return Ledger(open_store(found["location"])) if found else None

    def write_faults(self, faults: list[dict]) -> None:
        """Write the faults of a run; no faults remove the file of an earlier run."""
        if faults:
            text = "".join(json.dumps(fault, ensure_ascii=False) + "\n" for fault in faults)
            self.store.write(self.get_name("faults.jsonl"), text.encode())
        else:
            self.store.delete([self.get_name("faults.jsonl")])
