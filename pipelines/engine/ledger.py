"""The build's own part of a data set: which inputs belong to it, and under which settings it was last worked on.

OUT/ledger/engine.json              the version of this layout
OUT/ledger/config.json              the settings of the build that last worked here
OUT/ledger/base.json                the data set that this one is selected from, where it is
OUT/ledger/batches/000000.jsonl     the frozen input list of a batch
OUT/ledger/marks/SHA256.jsonl       what people said of clips, where a build heeds it
OUT/ledger/state/000000/            the state table of a batch (pipelines.engine.state)
OUT/ledger/records/, videos/        what was measured, and clips not yet packed (pipelines.stages.records)
OUT/ledger/tables/                  what was measured of each clip, a part for each batch (shards.tables)
OUT/ledger/packed/SHARD.json        a shard that is written and not yet committed
OUT/ledger/commits/000000.json      a committed batch whose leftovers are still to be removed
OUT/ledger/faults.jsonl             the faults of the last run, with their tracebacks
"""

import json
import socket

from humove.errors import UserError
from humove.ids import bytes_sha256
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

    def name(self, rest: str) -> str:
        return f"{LEDGER_FOLDER}/{rest}"

    def read_json(self, rest: str) -> dict | None:
        """A small document; None where there is none, or a damaged one."""
        try:
            return json.loads(self.store.read(self.name(rest)))
        except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
            return None

    def write_json(self, rest: str, document: dict) -> None:
        self.store.write(self.name(rest), json.dumps(document, sort_keys=True, ensure_ascii=False).encode())

    def require_seen(self) -> None:
        """UserError where this machine has another folder under the set's name than the one that runs the build."""
        if not self.store.exists(self.name(_ENGINE)):
            raise UserError(
                f"{socket.gethostname()} does not see OUT={self.store}: give OUT as an address (s3://, gs://), or a "
                "folder that all machines see"
            )

    def check_version(self) -> None:
        """UserError where the ledger is of an engine that this one can't go on from."""
        found = self.read_json(_ENGINE)
        if (found or {}).get("version") != _VERSION and self.batch_numbers():
            raise UserError(
                f"OUT={self.store}: was built by another version of the toolkit; the set is read, verified and trained "
                "on as before, but to extend or reselect it build into a new OUT"
            )

    def write_version(self) -> None:
        """Name this layout, before any batch: a ledger with batches and without a version is taken for an old one."""
        self.write_json(_ENGINE, {"version": _VERSION})

    def write_settings(self, settings: dict) -> None:
        """Keep the settings of the build that works here."""
        self.write_json("config.json", settings)

    def batch_numbers(self) -> list[int]:
        names = (entry.name.rpartition("/")[2] for entry in self.store.list(_BATCHES))
        return sorted(int(name.removesuffix(".jsonl")) for name in names if name.removesuffix(".jsonl").isdigit())

    def read_batch_bytes(self, number: int) -> bytes:
        return self.store.read(f"{_BATCHES}/{number:06d}.jsonl")

    def read_batch(self, number: int) -> list[InputRef]:
        return [InputRef.from_json(line) for line in self.read_batch_bytes(number).decode().split("\n") if line]

    def hash_batch(self, number: int) -> str:
        return bytes_sha256(self.read_batch_bytes(number))

    def freeze(self, number: int, items: list[InputRef]) -> None:
        """Fixes the input list of a batch for good."""
        text = "".join(f"{item.to_json()}\n" for item in items)
        self.store.write(f"{_BATCHES}/{number:06d}.jsonl", text.encode())

    def open_state(self, number: int) -> BatchState:
        base = self.base()
        return BatchState(store=self.store, number=number, base=base.open_state(number) if base else None)

    def base(self) -> "Ledger | None":
        """The ledger of the data set that this one is selected from."""
        found = self.read_json("base.json")
        return Ledger(open_store(found["location"])) if found else None

    def write_faults(self, faults: list[dict]) -> None:
        """Keeps the faults of a run for the developer; none removes those of an earlier one."""
        if faults:
            text = "".join(json.dumps(fault, ensure_ascii=False) + "\n" for fault in faults)
            self.store.write(self.name("faults.jsonl"), text.encode())
        else:
            self.store.delete([self.name("faults.jsonl")])
