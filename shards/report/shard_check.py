"""Each shard's bytes against what dataset.json says of them."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from shards.documents import ShardRow
from shards.format import SHARDS_FOLDER
from shards.reader import Dataset

HASHED_BYTES = 32 * 10**9
"""A report hashes so much of a local data set at the most; of other shards the size alone is compared."""
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardCheck:
    """What was found: "sound", "size agrees" (not hashed), "missing", "wrong size", "wrong sha256"."""

    found: str
    readable: bool


def check_shards(dataset: Dataset, say: Callable[[str], None]) -> dict[str, ShardCheck]:
    """Every listed shard, by name; evenly spread ones are hashed where all would be too many."""
    rows = dataset.doc.shards
    total, hashed = sum(row.bytes for row in rows), 0
    most = HASHED_BYTES if dataset.store.is_local else 0  # from an object store every byte has its price
    checks: dict[str, ShardCheck] = {}
    for number, row in enumerate(rows):
        due = total <= most or hashed + row.bytes <= most * (number + 1) / len(rows)
        hashed += row.bytes if due else 0
        checks[row.name] = _check(dataset, row, due)
        if number % 50 == 49:
            say(f"checked {number + 1} of {len(rows)} shards")
    return checks


def _check(dataset: Dataset, row: ShardRow, hashed: bool) -> ShardCheck:
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
