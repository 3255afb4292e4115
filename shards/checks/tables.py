"""Check the tables against dataset.json and the contents of the tars."""

import hashlib
from collections.abc import Callable
from itertools import zip_longest
from typing import Any

import pyarrow as pa

from shards.checks.defect import Defect, Findings
from shards.checks.tar import TarReport
from shards.format import INDEX_FILE
from shards.index import INDEX_COLUMNS, NEW_INDEX_COLUMNS, make_index_schema
from shards.reader import Dataset
from shards.schemas import TableRow
from shards.tables import (
    MERGED,
    ROOT_FILES,
    TableFile,
    is_up_to_date,
    iterate_groups,
    list_table_files,
    read_united_schema,
    refresh_tables,
)

_PART = "restore it from a copy, or build the batch again"
_ROOT = "remove it and open the set again: it is rebuilt from the parts in tables/"


def check_tables(dataset: Dataset, on_note: Callable[[str], None] | None = None) -> list[Defect]:
    """Check that every part of a table is the committed file, and that the files at the root have the parts' rows.

    The files at the root are brought up to date first if the set is writable. If not, an outdated one is a note, not a
    defect: readers use the parts.
    """
    found = [each for rows in dataset.doc.tables.values() for row in rows for each in _check_part(dataset, row)]
    if found:
        return found
    refresh_tables(dataset.store, dataset.doc)
    tables = [table for table in MERGED if dataset.doc.tables.get(table)]
    return [each for table in tables for each in _compare_merged(dataset, table, on_note)]


def _check_part(dataset: Dataset, row: TableRow) -> Findings:
    found = Findings(row.name)
    try:
        raw = dataset.store.read(row.name)
    except FileNotFoundError:
        found.add("is missing, though dataset.json lists it", _PART)
        return found
    if found.expect(len(raw) == row.bytes, f"is {len(raw)} bytes long, dataset.json says {row.bytes}", _PART):
        same = hashlib.sha256(raw).hexdigest() == row.sha256
        found.expect(same, "sha256 differs from dataset.json: its bytes were changed", _PART)
    return found


def _compare_merged(dataset: Dataset, table: str, on_note: Callable[[str], None] | None) -> Findings:
    name, store = ROOT_FILES[table], dataset.store
    found = Findings(name)
    if not is_up_to_date(store, dataset.doc, table):
        if on_note is not None:
            on_note(f"{name}: is older than the parts in tables/, and the set is not writable; readers use the parts")
        return found
    files, merged = list_table_files(dataset.doc, table), [TableFile(name=name)]
    try:
        schema = read_united_schema(store, files)
        if not found.expect(
            read_united_schema(store, merged).equals(schema), "has other columns than its parts", _ROOT
        ):
            return found
        pairs = zip_longest(iterate_groups(store, files, schema), iterate_groups(store, merged, schema))
        same = all(a is not None and b is not None and _are_equal(a, b) for a, b in pairs)
        found.expect(same, "has other rows than its parts", _ROOT)
    except (pa.ArrowException, OSError, ValueError) as error:  # pyarrow's errors for damaged bytes
        if isinstance(error, ConnectionError):
            raise
        found.add(f"is not a Parquet file: {error}", _ROOT)
    return found


def _are_equal(a: pa.Table, b: pa.Table) -> bool:
    return a.equals(b) or a.to_pandas(use_threads=False).equals(b.to_pandas(use_threads=False))  # NaN equals NaN there


class IndexCheck:
    """A check of the shards against the index, which is kept in memory (well under 1 KB per sample)."""

    def __init__(self, dataset: Dataset) -> None:
        self.found = Findings(INDEX_FILE)
        self._table: pa.Table | None = None
        self._older = False
        self._rows: dict[str, int] = {}
        self._splits: dict[str, str] = {}
        try:
            table = dataset.read_table("index")
            table.validate(full=True)
        except (pa.ArrowException, OSError, ValueError) as error:  # pyarrow's errors for damaged bytes
            if isinstance(error, ConnectionError):
                raise
            self.found.add(f"is not a Parquet file: {error}")
            return
        base = make_index_schema(())
        self._older = not set(NEW_INDEX_COLUMNS) & set(table.column_names)
        for name in INDEX_COLUMNS:
            if name not in table.column_names:
                if self._older and name in NEW_INDEX_COLUMNS:
                    continue
                self.found.add(f"lacks the column {name}")
            elif table.schema.field(name).type != base.field(name).type:
                self.found.add(f"column {name} is {table.schema.field(name).type}, wanted {base.field(name).type}")
        scores = [name for name in table.column_names if name not in INDEX_COLUMNS]
        wrong = [name for name in scores if table.schema.field(name).type != pa.float64()]
        self.found.expect(not wrong, f"score columns {wrong} are not float64")
        if self.found:
            return
        keys = table["key"].to_pylist()
        self._table, self._rows = table, {key: number for number, key in enumerate(keys)}
        self.found.expect(len(self._rows) == len(keys), f"lists {len(keys) - len(self._rows)} keys twice")

    def check_shard(self, report: TarReport, split: str) -> None:
        """Compare the index rows of one shard's samples, and check them off."""
        for key in report.keys:
            video = key.rpartition("-s")[0]
            if self._splits.setdefault(video, split) != split:
                self.found.add(
                    f"{key}: video {video} is in the splits {self._splits[video]} and {split}; "
                    "a model would be tested on training data"
                )
            if self._table is None:
                continue
            number = self._rows.pop(key, None)
            if number is None:
                self.found.add(f"{key} of shards/{report.name} has no row")
            elif key in report.rows:
                stated = self._table.slice(number, 1).to_pylist()[0]
                self._compare_row(key, stated, report.rows[key])

    def _compare_row(self, key: str, stated: dict[str, Any], actual: dict[str, Any]) -> None:
        names = (stated.keys() | actual.keys()) - (set(NEW_INDEX_COLUMNS) if self._older else set())
        off = [name for name in names if stated.get(name) != actual.get(name)]
        for name in sorted(off):
            self.found.add(f"{key}: {name} is {stated.get(name)!r}, the shard has {actual.get(name)!r}")

    def finish(self) -> None:
        """Report the rows that were not checked off: they belong to no sample."""
        for key in self._rows:
            self.found.add(f"{key} is in no shard that dataset.json lists")

    def count_videos(self, split: str) -> int:
        """Count the videos that have a sample in the split."""
        return sum(each == split for each in self._splits.values())
