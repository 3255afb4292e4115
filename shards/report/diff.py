"""Compare two builds: samples added, removed and changed, settings and figures that differ."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from shards.clips_table import read_clips
from shards.format import SHARDS_FOLDER
from shards.reader import Dataset, open_dataset, read_members
from shards.report.drawing.figures import compute_report_figures
from shards.report.paths import iterate_numbers

_PLACE = ("shard", "offset", "bytes", "mp4_offset")
"""Columns of a sample's place: the same sample in another shard has not changed."""
_LEFT_OUT = ("report_version", "dataset", "costs")
_TIMES = ".cpu_s"
"""Figures that always differ between two runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The differences of build B from build A. Keys are sorted."""

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

    def format_lines(self, most: int | None = 20) -> list[str]:
        """Format the differences for a terminal: counts, then at most `most` of each kind; all if None."""
        lines = [f"samples: {len(self.added)} added, {len(self.removed)} removed, {len(self.changed)} changed"]
        lines += _limit_lines([f"  + {key}" for key in self.added], most)
        lines += _limit_lines([f"  - {key}" for key in self.removed], most)
        parts = Counter(part for each in self.changed.values() for part in each)
        lines += [f"  {part} differs in {number}" for part, number in parts.most_common()]
        lines += _limit_lines([f"  ~ {key}: {', '.join(each)}" for key, each in self.changed.items()], most)
        lines.append(f"settings: {len(self.settings)} differ")
        lines += [f"  {name}: {_format_value(a)} -> {_format_value(b)}" for name, (a, b) in self.settings.items()]
        lines.append(f"figures: {len(self.figures)} differ")
        lines += _limit_lines(
            [f"  {path}: {_format_value(a)} -> {_format_value(b)}" for path, (a, b) in self.figures.items()],
            most and 3 * most,
        )
        return ["".join(c if c.isprintable() else repr(c)[1:-1] for c in line) for line in lines]


def compare_datasets(a: str, b: str) -> Difference:
    """Compare the data set at `b` with that at `a`, folders or addresses. UserError if one is not a data set."""
    first, second = open_dataset(a), open_dataset(b)
    same = {(row.name, row.sha256) for row in first.doc.shards} & {(row.name, row.sha256) for row in second.doc.shards}
    before, after = _read_rows(first), _read_rows(second)
    both = before.keys() & after.keys()
    skip = {name for name, _ in same}
    digests = dict(_hash_samples(first, both, skip))
    changed: dict[str, tuple[str, ...]] = {}
    for key, parts in _hash_samples(second, both, skip):
        found = _list_differing(digests.pop(key, {}), parts)
        if found:
            changed[key] = found
    for key in sorted(both):
        if before[key] != after[key]:
            one, two = _unpack_row(before[key]), _unpack_row(after[key])
            changed[key] = (*changed.get(key, ()), *(f"index.{name}" for name in _list_differing(one, two)))
    numbers_a, numbers_b = (dict(_compute_numbers(dataset)) for dataset in (first, second))
    return Difference(
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        changed=dict(sorted(changed.items())),
        settings=_find_differing(dict(_flatten_settings(first.doc.config)), dict(_flatten_settings(second.doc.config))),
        figures=_find_differing(numbers_a, numbers_b),
    )


def _read_rows(dataset: Dataset) -> dict[str, bytes]:
    """Read each sample's row of the index as packed JSON, without its place."""
    return {
        row["key"]: json.dumps({k: v for k, v in row.items() if k not in _PLACE and v is not None}).encode()
        for row in dataset.iterate_index_rows()
    }


def _unpack_row(packed: bytes) -> dict[str, Any]:
    return json.loads(packed)


def _hash_samples(dataset: Dataset, keys: set[str], skip: set[str]) -> Iterator[tuple[str, dict[str, int]]]:
    """Yield (key, hash by member and by field of the .json) of `keys`, except in the shards `skip`."""
    for row in dataset.doc.shards:
        if row.name in skip:
            continue
        with dataset.stream(f"{SHARDS_FOLDER}/{row.name}") as raw:
            for key, members in read_members(raw):
                if key in keys:
                    parts = {name: _hash_bytes(content) for name, content in members.items() if name != "json"}
                    fields = json.loads(members["json"])
                    del fields["config_hash"]  # changes with any setting; settings are compared themselves
                    yield key, parts | {f"json.{name}": _hash_bytes(_to_json(value)) for name, value in fields.items()}


def _to_json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _hash_bytes(content: bytes) -> int:
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "big")


def _list_differing(a: dict[str, Any], b: dict[str, Any]) -> tuple[str, ...]:
    return tuple(name for name in {**a, **b} if a.get(name) != b.get(name))


def _compute_numbers(dataset: Dataset) -> Iterator[tuple[str, float | None]]:
    found = compute_report_figures(dataset, read_clips(dataset))
    numbers = iterate_numbers({name: value for name, value in found.items() if name not in _LEFT_OUT})
    return ((path, value) for path, value in numbers if not path.endswith(_TIMES))


def _find_differing(a: dict[str, Any], b: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {name: (a.get(name), b.get(name)) for name in {**a, **b} if a.get(name) != b.get(name)}


def _flatten_settings(settings: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(settings, dict):
        for key, value in settings.items():
            yield from _flatten_settings(value, f"{name}.{key}" if name else str(key))
    else:
        yield name, settings


def _format_value(value: Any) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _limit_lines(lines: list[str], most: int | None) -> list[str]:
    return (
        lines
        if most is None or len(lines) <= most
        else [*lines[:most], f"  ... and {len(lines) - most} more (--all shows them)"]
    )
