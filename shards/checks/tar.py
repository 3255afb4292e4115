"""Check a shard in one read: its hash, its headers, their order, and every sample."""

import hashlib
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from shards.checks.defect import Findings
from shards.checks.sample import check_sample
from shards.format import MEMBERS, MEMBERS_WITH_WORLD, WORLD_MEMBER, parse_key
from shards.index import make_index_row
from shards.schemas import ShardRow
from shards.tars import BLOCK, measure_member
from shards.writer import Placement

_FIXED = {"mtime": 0, "uid": 0, "gid": 0, "mode": 0o644}
_READ = 1 << 20


@dataclass(slots=True, kw_only=True)
class TarReport:
    """The findings of a shard and, for each valid document, its expected index row and its span."""

    name: str
    keys: list[str] = field(default_factory=list)
    found: Findings
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)


class _HashingStream:
    """A stream that hashes and counts the bytes read."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw, self.digest, self.position = raw, hashlib.sha256(), 0

    def read(self, size: int) -> bytes:
        chunk = self._raw.read(size)
        self.digest.update(chunk)
        self.position += len(chunk)
        return chunk

    def drain(self) -> None:
        while self.read(_READ):
            pass


@dataclass(frozen=True, slots=True)
class _TarEntry:
    name: str
    offset: int
    raw: bytes


def check_tar(raw: IO[bytes], row: ShardRow, *, config_hash: str, deep: bool) -> TarReport:
    """Check the shard `row` read from `raw`, one sample in memory at a time."""
    report = TarReport(name=row.name, found=Findings(f"shards/{row.name}"))
    found, stream = report.found, _HashingStream(raw)
    try:
        for key, entries in _group_entries(stream, row.bytes, found):
            _check_entries(report, row, key, entries, config_hash, deep)
    except (tarfile.HeaderError, EOFError) as error:
        found.add(f"is not a complete tar: {error}")
    stream.drain()
    found.expect(stream.position == row.bytes, f"is {stream.position} bytes long, dataset.json says {row.bytes}")
    found.expect(stream.digest.hexdigest() == row.sha256, "sha256 differs from dataset.json: its bytes were changed")
    found.expect(
        len(report.keys) == row.num_samples, f"holds {len(report.keys)} samples, dataset.json says {row.num_samples}"
    )
    found.expect(row.name.startswith(f"{row.split}-"), f"dataset.json lists it under split {row.split}")
    return report


def _read_entries(stream: _HashingStream, size: int, found: Findings) -> Iterator[_TarEntry]:
    """Read plain ustar entries up to the two zero blocks. HeaderError or EOFError if the tar is damaged."""
    while True:
        block = stream.read(tarfile.BLOCKSIZE)
        if not block:
            raise EOFError("it has no end mark")
        if not block.strip(b"\0"):
            return
        head = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        offset = stream.position
        data = stream.read(head.size) if head.size <= size - offset else b""
        if len(data) < head.size:
            raise EOFError(f"{head.name} is cut short")
        stream.read(-head.size % tarfile.BLOCKSIZE)
        if not head.isreg():
            found.add(f"{head.name} is not a regular file")
            continue
        odd = {name: getattr(head, name) for name, value in _FIXED.items() if getattr(head, name) != value}
        found.expect(not odd, f"{head.name} has {odd}, wanted mtime, uid and gid 0 and mode 0644")
        yield _TarEntry(head.name, offset, data)


def _group_entries(stream: _HashingStream, size: int, found: Findings) -> Iterator[tuple[str, list[_TarEntry]]]:
    """Group adjacent entries of the same key."""
    key, group = "", []
    for entry in _read_entries(stream, size, found):
        name = entry.name.partition(".")[0]
        if group and name != key:
            yield key, group
            group = []
        key = name
        group.append(entry)
    if group:
        yield key, group


def _check_entries(
    report: TarReport, row: ShardRow, key: str, entries: list[_TarEntry], config_hash: str, deep: bool
) -> None:
    found = report.found
    try:
        parse_key(key)
    except ValueError as error:
        found.add(f"entry {entries[0].name}: {error}")
        return
    found.expect(
        not report.keys or report.keys[-1] < key, f"{key} follows {''.join(report.keys[-1:])}: not in key order"
    )
    report.keys.append(key)
    suffixes = tuple(entry.name.partition(".")[2] for entry in entries)
    wanted = MEMBERS_WITH_WORLD if WORLD_MEMBER in suffixes else MEMBERS
    if suffixes != wanted:
        found.add(f"{key} has the members {list(suffixes)}, wanted {list(wanted)} in this order")
    members = {suffix: entry.raw for suffix, entry in zip(suffixes, entries, strict=True)}
    if not set(MEMBERS) <= members.keys():
        return
    checked = check_sample(f"{row.name}/{key}", key, members, config_hash=config_hash, deep=deep)
    found.extend(checked.found)
    if checked.meta is not None:
        place = Placement(
            key=key,
            split=row.split,
            shard=row.name,
            offset=entries[0].offset - BLOCK,
            bytes=sum(measure_member(len(entry.raw)) for entry in entries),
            mp4_offset=entries[suffixes.index("mp4")].offset,
            mp4_bytes=len(members["mp4"]),
        )
        report.rows[key] = make_index_row(checked.meta, place)
        report.spans[key] = (checked.meta.span.start_frame, checked.meta.span.end_frame)
