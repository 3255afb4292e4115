"""Two builds side by side: samples added, removed and changed, settings and figures that differ."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from shards.clips import read_clips
from shards.format import SHARDS_FOLDER
from shards.reader import Dataset, open_dataset, read_members
from shards.report.figures import figures
from shards.report.paths import numbers

_PLACE = ("shard", "offset", "bytes", "mp4_offset")
"""Where a sample lies is no part of it: the same sample in another shard has not changed."""
_LEFT_OUT = ("report_version", "dataset", "costs")
_TIMES = ".cpu_s"
"""What differs between any two runs, whatever they made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What build B has otherwise than build A. Keys are in order."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: dict[str, tuple[str, ...]]
    """By key: the members, fields of the .json (json.captions) and columns of the index (index.jitter) that differ."""
    settings: dict[str, tuple[Any, Any]]
    """By dotted name: the value in A, in B."""
    figures: dict[str, tuple[float | None, float | None]]
    """By dotted path of report.json: the number in A, in B."""

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.settings or self.figures)

    def lines(self, most: int | None = 20) -> list[str]:
        """For a terminal: counts, then at most so many of each kind; all of them with None."""
        said = [f"samples: {len(self.added)} added, {len(self.removed)} removed, {len(self.changed)} changed"]
        said += _most([f"  + {key}" for key in self.added], most)
        said += _most([f"  - {key}" for key in self.removed], most)
        parts = Counter(part for each in self.changed.values() for part in each)
        said += [f"  {part} differs in {number}" for part, number in parts.most_common()]
        said += _most([f"  ~ {key}: {', '.join(each)}" for key, each in self.changed.items()], most)
        said.append(f"settings: {len(self.settings)} differ")
        said += [f"  {name}: {_said(a)} -> {_said(b)}" for name, (a, b) in self.settings.items()]
        said.append(f"figures: {len(self.figures)} differ")
        said += _most(
            [f"  {path}: {_said(a)} -> {_said(b)}" for path, (a, b) in self.figures.items()], most and 3 * most
        )
        return ["".join(c if c.isprintable() else repr(c)[1:-1] for c in line) for line in said]


def diff(a: str, b: str) -> Difference:
    """What the data set at `b` has otherwise than that at `a`, folders or addresses. UserError where one is none."""
    first, second = open_dataset(a), open_dataset(b)
    same = {(row.name, row.sha256) for row in first.doc.shards} & {(row.name, row.sha256) for row in second.doc.shards}
    before, after = _rows(first), _rows(second)
    both = before.keys() & after.keys()
    skip = {name for name, _ in same}
    digests = dict(_digests(first, both, skip))
    changed: dict[str, tuple[str, ...]] = {}
    for key, parts in _digests(second, both, skip):
        found = _otherwise(digests.pop(key, {}), parts)
        if found:
            changed[key] = found
    for key in sorted(both):
        if before[key] != after[key]:
            one, two = _row_parts(before[key]), _row_parts(after[key])
            changed[key] = (*changed.get(key, ()), *(f"index.{name}" for name in _otherwise(one, two)))
    numbers_a, numbers_b = (dict(_figures(dataset)) for dataset in (first, second))
    return Difference(
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        changed=dict(sorted(changed.items())),
        settings=_unequal(dict(_leaves(first.doc.config)), dict(_leaves(second.doc.config))),
        figures=_unequal(numbers_a, numbers_b),
    )


def _rows(dataset: Dataset) -> dict[str, bytes]:
    """Each sample's row of the index, packed, without its place."""
    return {
        row["key"]: json.dumps({k: v for k, v in row.items() if k not in _PLACE and v is not None}).encode()
        for row in dataset.index_rows()
    }


def _row_parts(packed: bytes) -> dict[str, Any]:
    return json.loads(packed)


def _digests(dataset: Dataset, keys: set[str], skip: set[str]) -> Iterator[tuple[str, dict[str, int]]]:
    """(key, hash by member and by field of the .json) of those samples, but for the shards in `skip`."""
    for row in dataset.doc.shards:
        if row.name in skip:
            continue
        with dataset.stream(f"{SHARDS_FOLDER}/{row.name}") as raw:
            for key, members in read_members(raw):
                if key in keys:
                    parts = {name: _hash(content) for name, content in members.items() if name != "json"}
                    fields = json.loads(members["json"])
                    del fields["config_hash"]  # every sample has it anew; what it stands for is told by the settings
                    yield key, parts | {f"json.{name}": _hash(_packed(value)) for name, value in fields.items()}


def _packed(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _hash(content: bytes) -> int:
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "big")


def _otherwise(a: dict[str, Any], b: dict[str, Any]) -> tuple[str, ...]:
    return tuple(name for name in {**a, **b} if a.get(name) != b.get(name))


def _figures(dataset: Dataset) -> Iterator[tuple[str, float | None]]:
    found = figures(dataset, read_clips(dataset))
    told = numbers({name: value for name, value in found.items() if name not in _LEFT_OUT})
    return ((path, value) for path, value in told if not path.endswith(_TIMES))


def _unequal(a: dict[str, Any], b: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {name: (a.get(name), b.get(name)) for name in {**a, **b} if a.get(name) != b.get(name)}


def _leaves(settings: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(settings, dict):
        for key, value in settings.items():
            yield from _leaves(value, f"{name}.{key}" if name else str(key))
    else:
        yield name, settings


def _said(value: Any) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _most(lines: list[str], most: int | None) -> list[str]:
    return (
        lines
        if most is None or len(lines) <= most
        else [*lines[:most], f"  ... and {len(lines) - most} more (--all shows them)"]
    )
