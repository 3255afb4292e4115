"""Data sets whose tables lie in parts, as builds of several batches write them, and data sets in a store."""

import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from humove.storage import Store, open_store
from shards.format import DATASET_FILE


def split_tables(folder: Path, cuts: dict[str, list[int]]) -> None:
    """Cut index and outcomes of a set into parts of so many rows, and drop the files at the root."""
    doc = json.loads((folder / DATASET_FILE).read_bytes())
    doc["tables"] = {}
    for table, sizes in cuts.items():
        root = folder / f"{table}.parquet"
        rows, start = pq.read_table(root), 0
        parts = []
        for number, size in enumerate(sizes):
            part = rows.slice(start, size)
            start += size
            parts.append(write_part(folder, table, number, part))
        assert start == rows.num_rows
        doc["tables"][table] = parts
        root.unlink()
    (folder / DATASET_FILE).write_text(json.dumps(doc))


def write_part(folder: Path, table: str, number: int, rows: pa.Table) -> dict[str, object]:
    """Write one part, and return its row of dataset.json."""
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, store_schema=False)
    raw = sink.getvalue().to_pybytes()
    digest = hashlib.sha256(raw).hexdigest()
    name = f"tables/{table}-{number:06d}-{digest[:8]}.parquet"
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(raw)
    return {"name": name, "bytes": len(raw), "sha256": digest}


def upload(folder: Path, location: str) -> Store:
    """Copy a set into a store."""
    store = open_store(location)
    for entry in open_store(folder).list():
        store.write(entry.name, (folder / entry.name).read_bytes())
    return store
