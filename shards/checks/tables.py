"""The tables against what dataset.json lists and what the tars really hold."""

import hashlib
from collections.abc import Callable
from itertools import zip_longest
from typing import Any

import pyarrow as pa

from shards.checks.defect import Defect, Findings
from shards.checks.tar import TarReport
from shards.documents import TableRow
from shards.format import INDEX_FILE
from shards.index import INDEX_COLUMNS, NEW_INDEX_COLUMNS, index_schema
from shards.reader import Dataset
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

_PART = "restore it from a copy; without one the batch must be built again"
_ROOT = "remove it and open the set again: it is made of the parts in tables/"


def check_tables(dataset: Dataset, on_note: Callable[[str], None] | None = None) -> list[Defect]:
    """Every part of a table is the file that was committed, and the files at the root hold the parts' rows.

    Those at the root are brought up to date first, where the set can be written. Where it can't, one that is behind
    is no defect: readers go by the parts. That is a note.
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
            on_note(f"{name}: is behind the parts in tables/, and the set can't be written; readers go by the parts")
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
        found.expect(same, "holds other rows than its parts", _ROOT)
    except (pa.ArrowException, OSError, ValueError) as error:  # whatever pyarrow says of damaged bytes
        if isinstance(error, ConnectionError):
            raise
        found.add(f"is no parquet file: {error}", _ROOT)
    return found


def _are_equal(a: pa.Table, b: pa.Table) -> bool:
    return a.equals(b) or a.to_pandas(use_threads=False).equals(b.to_pandas(use_threads=False))  # NaN equals NaN there


class IndexCheck:
    """Holds the index (columnar, well under 1 KB a sample) while shard after shard is held against it."""

    def __init__(self, dataset: Dataset) -> None:
        self.found = Findings(INDEX_FILE)
        self._table: pa.Table | None = None
        self._older = False
        self._rows: dict[str, int] = {}
        self._splits: dict[str, str] = {}
        try:
            table = dataset.table("index")
            table.validate(full=True)
        except (pa.ArrowException, OSError, ValueError) as error:  # whatever pyarrow says of damaged bytes
            if isinstance(error, ConnectionError):
                raise
            self.found.add(f"is no parquet file: {error}")
            return
        base = index_schema(())
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

    def shard(self, report: TarReport, split: str) -> None:
        """Compares the rows of one shard's samples, and ticks them off."""
        for key in report.keys:
            video = key.rpartition("-s")[0]
            if self._splits.setdefault(video, split) != split:
                self.found.add(
                    f"{key}: video {video} lies in the splits {self._splits[video]} and {split}; "
                    "a model would be tested on what it learnt"
                )
            if self._table is None:
                continue
            number = self._rows.pop(key, None)
            if number is None:
                self.found.add(f"{key} of shards/{report.name} has no row")
            elif key in report.rows:
                said = self._table.slice(number, 1).to_pylist()[0]
                self._compare(key, said, report.rows[key])

    def _compare(self, key: str, said: dict[str, Any], true: dict[str, Any]) -> None:
        names = (said.keys() | true.keys()) - (set(NEW_INDEX_COLUMNS) if self._older else set())
        off = [name for name in names if said.get(name) != true.get(name)]
        for name in sorted(off):
            self.found.add(f"{key}: {name} is {said.get(name)!r}, the shard has {true.get(name)!r}")

    def finish(self) -> None:
        """Whatever row was not ticked off belongs to no sample."""
        for key in self._rows:
            self.found.add(f"{key} stands in no shard that dataset.json lists")

    def videos(self, split: str) -> int:
        """How many videos have a sample in the split."""
        return sum(each == split for each in self._splits.values())
