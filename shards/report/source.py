"""The input of a report: the tables of a data set, and the small members of its samples, read once."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import IO, Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

from humove.errors import EXIT_DEFECT, UserError
from shards.clips_table import ClipTable
from shards.format import MEMBERS_WITH_WORLD, SHARDS_FOLDER
from shards.reader import Dataset, find_member
from shards.report.shard_check import ShardCheck, check_shards
from shards.schemas import DatasetDoc
from shards.tables import list_table_files
from shards.tars import BLOCK, measure_member

NOT_STATED = "not stated"
_READS_AT_ONCE = 16
_VERIFY = "run `humove verify` on it"
Log = Callable[[str], None]


@dataclass(slots=True, kw_only=True)
class DocumentTally:
    """Counts over the samples' documents: clips and seconds by licence, source and others."""

    clips: int = 0
    consent: int = 0
    licences: Counter[str] = field(default_factory=Counter)
    licence_seconds: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    source_seconds: Counter[str] = field(default_factory=Counter)
    bodies: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    caption_sources: Counter[str] = field(default_factory=Counter)
    category_sources: Counter[str] = field(default_factory=Counter)

    def add(self, meta: dict[str, Any], seconds: float) -> None:
        rights, body = meta["rights"], meta["body_model"]
        licence, source = rights["licence"] or NOT_STATED, get_source_name(meta["uri"], rights["source_url"])
        self.clips += 1
        self.consent += bool(rights["consent"])
        self.licences[licence] += 1
        self.licence_seconds[licence] += seconds
        self.sources[source] += 1
        self.source_seconds[source] += seconds
        self.bodies[body["name"], body["licence"] or NOT_STATED, body["shape_source"]] += 1
        self.caption_sources[meta["captions"]["source"]] += 1
        self.category_sources[meta["category"]["source"] or NOT_STATED] += 1


def get_source_name(uri: str, source_url: str) -> str:
    """Get the source of a clip: the host of its source, the bucket of its file, or its top folder."""
    for address in (source_url, uri):
        try:
            parts = urlsplit(address)
        except ValueError:
            continue
        if parts.netloc and "://" in address:
            return parts.netloc if parts.scheme in ("http", "https") else f"{parts.scheme}://{parts.netloc}"
    folder = uri.replace("\\", "/").strip("/").rpartition("/")[0]
    return folder.partition("/")[0] + "/" if folder else "(top folder)"


class ReportSource:
    """The tables of a data set in memory, and access to its sound tars."""

    def __init__(self, dataset: Dataset, clips: ClipTable, log: Log) -> None:
        self.dataset, self.clips, self.log = dataset, clips, log
        log("reading the tables")
        self.index = self._read_table("index")
        self.outcomes = self._read_table("outcomes")

    @property
    def doc(self) -> DatasetDoc:
        return self.dataset.doc

    def _read_table(self, table: str) -> pd.DataFrame:
        try:
            return self.dataset.read_table(table).to_pandas(use_threads=False)
        except FileNotFoundError as error:
            names = ", ".join(file.name for file in list_table_files(self.doc, table))
            raise UserError(f"{self.dataset.path} has no {names}; {_VERIFY}", EXIT_DEFECT) from error

    @cached_property
    def checks(self) -> dict[str, ShardCheck]:
        """The check of each shard."""
        return check_shards(self.dataset, self.log)

    @cached_property
    def tally(self) -> DocumentTally:
        """Counts over the samples whose shard is sound."""
        self.log("reading the samples' documents")
        tally = DocumentTally()
        for row, raw in self.iterate_members(self.index, "json"):
            tally.add(json.loads(raw), float(row.duration_s))
        return tally

    def iterate_members(self, rows: pd.DataFrame, suffix: str) -> Iterator[tuple[Any, bytes]]:
        """Iterate over (row of the index, bytes of that member) of the rows whose shard is sound, in shard order."""
        for shard, group in rows.groupby("shard", sort=True):
            if not self.checks[shard].readable:
                continue
            group = group.sort_values("mp4_offset")
            if self.dataset.store.is_local or not {"offset", "bytes"} <= set(rows.columns):
                with self.dataset.open(f"{SHARDS_FOLDER}/{shard}") as raw:
                    for row in group.itertuples(index=False):
                        yield row, read_member(raw, int(row.mp4_offset) - BLOCK, suffix)
            else:
                yield from self._read_remote_members(f"{SHARDS_FOLDER}/{shard}", group, suffix)

    def _read_remote_members(self, name: str, rows: pd.DataFrame, suffix: str) -> Iterator[tuple[Any, bytes]]:
        """Read members by range reads of what follows each sample's video, several at once."""

        def read_row(row: Any) -> bytes:
            start = int(row.mp4_offset) + measure_member(int(row.mp4_bytes)) - BLOCK
            end = int(row.offset) + int(row.bytes)
            raw = self.dataset.store.read_range(name, start, end)
            found = find_member(raw, f"{row.key}.{suffix}")
            if found is None:
                raise UserError(f"{self.dataset.path}: {name} has no {row.key}.{suffix}; {_VERIFY}", EXIT_DEFECT)
            return found

        listed = list(rows.itertuples(index=False))
        with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
            yield from zip(listed, pool.map(read_row, listed), strict=True)

    def pick_rows(self, most: int) -> pd.DataFrame:
        """Pick at most `most` rows of the index, evenly spread over those whose shard is sound."""
        good = [name for name, check in self.checks.items() if check.readable]
        rows = self.index[self.index["shard"].isin(good)].sort_values("key", ignore_index=True)
        if len(rows) <= most:
            return rows
        return rows.iloc[np.linspace(0, len(rows) - 1, most).round().astype(int)]


def read_member(raw: IO[bytes], offset: int, suffix: str) -> bytes:
    """Read a member of the sample whose first header is at `offset` of a tar. UserError if it has none."""
    for _ in MEMBERS_WITH_WORLD:
        raw.seek(offset)
        header = raw.read(BLOCK)
        name, size = header[:100].rstrip(b"\0").decode(errors="replace"), header[124:136].strip(b"\0 ")
        if not size.isdigit():
            break
        length = int(size, 8)
        if name.partition(".")[2] == suffix:
            return raw.read(length)
        offset += BLOCK + -(-length // BLOCK) * BLOCK
    raise UserError(
        f"no .{suffix} at byte {offset} of a shard, where the index lists a sample; {_VERIFY}",
        EXIT_DEFECT,
    )
