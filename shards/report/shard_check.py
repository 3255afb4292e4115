"""Check the shards' bytes against dataset.json."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from shards.format import SHARDS_FOLDER
from shards.reader import Dataset
from shards.schemas import ShardRow

HASHED_BYTES = 32 * 10**9
"""Most bytes of a local data set that a report hashes; of the other shards only the size is compared."""
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardCheck:
    """The result: "sound", "size agrees" (not hashed), "missing", "wrong size", "wrong sha256"."""

    found: str
    readable: bool


def check_shards(dataset: Dataset, log: Callable[[str], None]) -> dict[str, ShardCheck]:
    """Check every listed shard, by name; if all are too large, evenly spread ones are hashed."""
    rows = dataset.doc.shards
    total, hashed = sum(row.bytes for row in rows), 0
    most = HASHED_BYTES if dataset.store.is_local else 0  # reads from an object store cost money
    checks: dict[str, ShardCheck] = {}
    for number, row in enumerate(rows):
        due = total <= most or hashed + row.bytes <= most * (number + 1) / len(rows)
        hashed += row.bytes if due else 0
        checks[row.name] = _check_shard(dataset, row, due)
        if number % 50 == 49:
            log(f"checked {number + 1} of {len(rows)} shards")
    return checks


def _check_shard(dataset: Dataset, row: ShardRow, hashed: bool) -> ShardCheck:
    name = f"{SHARDS_FOLDER}/{row.name}"
    try:
        size = dataset.store.size(name)
    except FileNotFoundError:
        return ShardCheck(found="missing", readable=False)
    if size != row.bytes:
        return ShardCheck(found="wrong size", readable=False)
    if hashed:
        digest = hashlib.sha256()
        with dataset.stream(name) as raw:
            while block := raw.read(_BLOCK):
                digest.update(block)
        if digest.hexdigest() != row.sha256:
            return ShardCheck(found="wrong sha256", readable=False)
    return ShardCheck(found="sound" if hashed else "size agrees", readable=True)
