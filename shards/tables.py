"""Read a data set's tables from the parts that dataset.json lists, as if they were one file.

    OUT/tables/index-000000-0123abcd.parquet    one part per batch; index, outcomes and clips have parts
    OUT/index.parquet, OUT/outcomes.parquet     the same rows in one file, for other tools

Parts appear with the commit. The two files at the root may be out of date after a kill; `bring_tables_up_to_date`
rewrites them. Sets of older builds have no parts: their tables are the files at the root.
"""

import io
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from humove.errors import UserError
from humove.storage import Store
from humove.storage.local import explain_os_errors, write_atomically
from shards.format import DATASET_FILE, INDEX_FILE, LEDGER_FOLDER, OUTCOMES_FILE
from shards.index import INDEX_COLUMNS, ROWS_PER_GROUP
from shards.schemas import DatasetDoc

ROOT_FILES = {"index": INDEX_FILE, "outcomes": OUTCOMES_FILE, "clips": f"{LEDGER_FOLDER}/clips.parquet"}
"""The file of a table if dataset.json lists no parts of it."""
MERGED = ("index", "outcomes")
"""Tables that also have one merged file at the root."""
FINGERPRINT = b"humove.parts"
"""Key in a merged file's metadata: the sha256 of its parts, as a JSON list."""
_READ_WHOLE = 16 << 20
"""Bytes; a smaller remote table is always read in one request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFile:
    """A Parquet file of a data set; the size is None if dataset.json does not list it."""

    name: str
    size: int | None = None


def list_table_files(doc: DatasetDoc, table: str) -> list[TableFile]:
    """List the files of a table ("index", "outcomes" or "clips"), in order.

    The parts of clips are in the ledger, named after those of outcomes. dataset.json does not list them, because their
    CPU times differ from run to run.
    """
    if table == "clips" and doc.tables.get("outcomes"):
        return [TableFile(name=name_clips_part(row.name)) for row in doc.tables["outcomes"]]
    if doc.tables.get(table):
        return [TableFile(name=row.name, size=row.bytes) for row in doc.tables[table]]
    return [TableFile(name=ROOT_FILES[table])]


def name_clips_part(outcomes: str) -> str:
    """Return the name of the part of clips that belongs to a part of outcomes."""
    return f"{LEDGER_FOLDER}/{outcomes.replace('outcomes', 'clips')}"


@contextmanager
def open_table(store: Store, file: TableFile) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file of a store; a small remote one is fetched whole. FileNotFoundError if it is missing."""
    # Arrow reads without threads: a thread that reads a Python file at exit would abort the process.
    with _open_file(store, file) as raw, pq.ParquetFile(raw, pre_buffer=False) as table:
        yield table


def _open_file(store: Store, file: TableFile) -> IO[bytes]:
    if store.is_local:
        return store.open(file.name)
    size = store.size(file.name) if file.size is None else file.size
    return io.BytesIO(store.read(file.name)) if size <= _READ_WHOLE else store.open(file.name, size)


def read_whole_table(store: Store, files: Sequence[TableFile], columns: Sequence[str] | None = None) -> pa.Table:
    """Read all rows of a table; a column that a part lacks is null there, one that all parts lack is omitted."""
    tables = []
    for file in files:
        with open_table(store, file) as part:
            tables.append(part.read(columns=None if columns is None else list(columns), use_threads=False))
    if len(tables) == 1:
        return tables[0]
    schema = unite_schemas([table.schema for table in tables])
    return pa.concat_tables([_conform_table(table, schema) for table in tables])


def iterate_table_rows(
    store: Store, files: Sequence[TableFile], columns: Sequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Iterate over a table's rows as dicts, a bounded number in memory; a column that a part lacks is None there."""
    names = list(columns) if columns is not None else None
    if names is None and len(files) > 1:
        names = read_united_schema(store, files).names
    for file in files:
        with open_table(store, file) as part:
            missing = dict.fromkeys(name for name in names or () if name not in part.schema_arrow.names)
            for batch in part.iter_batches(batch_size=ROWS_PER_GROUP, columns=names, use_threads=False):
                for row in batch.to_pylist():
                    yield row | missing


def read_united_schema(store: Store, files: Sequence[TableFile]) -> pa.Schema:
    """Read the schema of a table: the union of its parts' columns."""
    schemas = []
    for file in files:
        with open_table(store, file) as part:
            schemas.append(part.schema_arrow)
    return unite_schemas(schemas)


def unite_schemas(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """Unite schemas: first the index's own columns or those of the first schema, then the others by name.

    ValueError for a column that has two types.
    """
    fields: dict[str, pa.Field] = {}
    for schema in schemas:
        for field in schema:
            known = fields.setdefault(field.name, field)
            if known.type != field.type:
                raise ValueError(f"column {field.name} is {known.type} in one part and {field.type} in another")
    own = [name for name in INDEX_COLUMNS if name in fields] if "mp4_offset" in fields else list(schemas[0].names)
    others = sorted(name for name in fields if name not in own)
    return pa.schema([fields[name].remove_metadata() for name in (*own, *others)])


def iterate_groups(store: Store, files: Iterable[TableFile], schema: pa.Schema) -> Iterator[pa.Table]:
    """Iterate over a table in pieces of ROWS_PER_GROUP rows; columns that a part lacks are null."""
    held: list[pa.Table] = []
    for file in files:
        with open_table(store, file) as part:
            for batch in part.iter_batches(batch_size=ROWS_PER_GROUP, use_threads=False):
                held.append(_conform_table(pa.table(batch), schema))
                if sum(piece.num_rows for piece in held) >= ROWS_PER_GROUP:
                    rows = pa.concat_tables(held).combine_chunks()
                    yield rows.slice(0, ROWS_PER_GROUP)
                    held = [rows.slice(ROWS_PER_GROUP)]
    if any(piece.num_rows for piece in held):
        yield pa.concat_tables(held).combine_chunks()


def bring_tables_up_to_date(store: Store, doc: DatasetDoc) -> None:
    """Rewrite the files at the root that are not made of the listed parts. UserError if the store is not writable or a
    part is damaged."""
    for table in MERGED:
        if doc.tables.get(table) and not is_up_to_date(store, doc, table):
            _merge_parts(store, doc, table)


def refresh_tables(store: Store, doc: DatasetDoc) -> bool:
    """Bring the tables up to date if the set is writable; else return False: the set is read from its parts."""
    try:
        bring_tables_up_to_date(store, doc)
    except UserError:
        return False
    return True


def is_up_to_date(store: Store, doc: DatasetDoc, table: str) -> bool:
    """Return whether the file at the root was made of the parts that dataset.json lists."""
    try:
        with store.open(ROOT_FILES[table]) as raw, pq.ParquetFile(raw, pre_buffer=False) as merged:
            found = (merged.metadata.metadata or {}).get(FINGERPRINT, b"")
    except (FileNotFoundError, EOFError, ValueError, OSError) as error:  # pyarrow's errors are ValueErrors and OSErrors
        if isinstance(error, ConnectionError):
            raise
        return False
    return found == get_fingerprint(doc, table)


def get_fingerprint(doc: DatasetDoc, table: str) -> bytes:
    """Return the fingerprint of a table's parts for a merged file's metadata."""
    return json.dumps([row.sha256 for row in doc.tables[table]]).encode()


def _merge_parts(store: Store, doc: DatasetDoc, table: str) -> None:
    name = ROOT_FILES[table]
    if store.is_local:
        with explain_os_errors(str(store.path(name))), write_atomically(store.path(name)) as temporary:
            _write_merged(store, doc, table, temporary)
        return
    with tempfile.TemporaryDirectory(prefix="humove-") as folder:
        temporary = Path(folder) / name
        _write_merged(store, doc, table, temporary)
        store.write_file(name, temporary)


def _write_merged(store: Store, doc: DatasetDoc, table: str, path: Path) -> None:
    files = list_table_files(doc, table)
    try:
        schema = read_united_schema(store, files)
        with pq.ParquetWriter(path, schema, compression="zstd", version="2.6", store_schema=False) as writer:
            writer.add_key_value_metadata({FINGERPRINT: get_fingerprint(doc, table)})
            for group in iterate_groups(store, files, schema):
                writer.write_table(group, row_group_size=ROWS_PER_GROUP)
    except FileNotFoundError as error:
        raise UserError(f"{error} is missing, though {DATASET_FILE} lists it; restore it from a copy") from error
    except (pa.ArrowException, EOFError, ValueError) as error:
        raise UserError(f"{store}: a part of the table {table} is damaged: {error}; restore it from a copy") from error
    with path.open("rb") as written:
        os.fsync(written.fileno())


def _conform_table(table: pa.Table, schema: pa.Schema) -> pa.Table:
    present = set(table.column_names)
    columns = [table[field.name] if field.name in present else pa.nulls(table.num_rows, field.type) for field in schema]
    return pa.table(columns, schema=schema)
