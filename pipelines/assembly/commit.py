"""The commit: new shards and tables are written beside the old ones, then dataset.json lists them.

A kill between any two writes leaves the old set or the new one. The writes after dataset.json (index.parquet,
outcomes.parquet, the card, the cleanup of the ledger) are completed by the next command that opens the set.
"""

import hashlib
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

import humove
from humove.storage.store import Store
from pipelines.assembly.batch_assembly import BatchAssembly, count_videos_by_split
from pipelines.assembly.batch_outcomes import BatchOutcomes, collect_outcomes
from pipelines.assembly.clips_table import build_clips_table
from pipelines.assembly.tidy import note_commit, remove_unlisted, tidy_commits
from pipelines.engine.ledger import Ledger
from pipelines.engine.plan import STAGES, Plan
from shards.card.tally import CardTally
from shards.card.text import render_card
from shards.format import CARD_FILE, DATASET_FILE, TABLES_FOLDER, parse_shard_name
from shards.index import ROWS_PER_GROUP, get_score_name, make_index_schema
from shards.reader import open_dataset
from shards.schemas import BatchRow, DatasetDoc, ShardRow, SplitRow, StageCounts, TableRow
from shards.tables import bring_tables_up_to_date, is_up_to_date, name_clips_part

TABLES = ("index", "outcomes")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BatchCommit:
    """The part of dataset.json for one batch."""

    row: BatchRow
    shards: tuple[ShardRow, ...]
    tables: dict[str, TableRow]
    num_faulted: int = 0
    num_units: int = 0


def read_batch_commits(doc: DatasetDoc) -> dict[int, BatchCommit]:
    """Return the batches of a committed set by number."""
    shards = {row.name: row for row in doc.shards}
    tables = {kind: {_parse_batch_number(row): row for row in rows} for kind, rows in doc.tables.items()}
    return {
        row.number: BatchCommit(
            row=row,
            shards=tuple(shards[name] for name in row.shards),
            tables={kind: rows[row.number] for kind, rows in tables.items()},
            num_faulted=sum(counts.faulted for counts in row.counts.values()),
        )
        for row in doc.batches
    }


def _parse_batch_number(row: TableRow) -> int:
    return int(row.name.rpartition("/")[2].split("-")[1])


def write_batch(
    plan: Plan, ledger: Ledger, assembly: BatchAssembly, before: BatchCommit | None
) -> tuple[BatchCommit, BatchOutcomes]:
    """Write the table parts of a packed batch; `before` is its earlier commit under the same settings."""
    store, number = ledger.store, assembly.number
    outcomes = collect_outcomes(assembly.states, assembly.duplicate_of)
    rows = [row for packed in assembly.packed for row in packed.rows]
    index = _make_index_table(rows)
    tally = CardTally()
    for packed in assembly.packed:
        tally.merge_documents(packed.tally)
    if before is not None:
        earlier = _read_part(store, before.tables["index"])
        tally.merge_documents(CardTally.from_metadata(earlier.schema.metadata))
        index = pa.concat_tables([earlier.replace_schema_metadata(), index], promote_options="default")
    index = index.replace_schema_metadata(tally.to_metadata())
    shards = {row.name: row for row in (before.shards if before else ())}
    shards |= {packed.shard.name: packed.shard for packed in assembly.packed}
    tables = {
        "index": _write_part(store, "index", number, index),
        "outcomes": _write_part(store, "outcomes", number, outcomes.table),
    }
    clips = build_clips_table(plan, assembly.states, outcomes.clip_outcomes, number)
    store.write(name_clips_part(tables["outcomes"].name), _encode_parquet(clips))
    row = BatchRow(
        number=number,
        num_inputs=len(assembly.states.videos),
        inputs_sha256=ledger.hash_batch(number),
        num_samples=len(index),
        shards=tuple(sorted(shards)),
        num_videos=count_videos_by_split(plan, assembly),
        counts=outcomes.counts,
    )
    note_commit(ledger, plan, number, [packed.shard.name for packed in assembly.packed], rows)
    commit = BatchCommit(
        row=row,
        shards=tuple(shards.values()),
        tables=tables,
        num_faulted=outcomes.num_faulted,
        num_units=outcomes.num_units,
    )
    return commit, outcomes


def _make_index_table(rows: list[dict]) -> pa.Table:
    schema = make_index_schema(
        sorted({get_score_name(name) for row in rows for name in row} - set(make_index_schema([]).names))
    )
    columns = {name: [row.get(name) for row in rows] for name in schema.names}
    return pa.Table.from_pydict(columns, schema)


def _read_part(store: Store, row: TableRow) -> pa.Table:
    return pq.read_table(io.BytesIO(store.read(row.name)), use_threads=False)


def _encode_parquet(table: pa.Table) -> bytes:
    """Return the table as Parquet; the same rows give the same bytes."""
    raw = io.BytesIO()
    plain = table.replace_schema_metadata()
    with pq.ParquetWriter(raw, plain.schema, compression="zstd", version="2.6", store_schema=False) as writer:
        writer.add_key_value_metadata(table.schema.metadata or {})
        writer.write_table(plain, row_group_size=ROWS_PER_GROUP)
    return raw.getvalue()


def _write_part(store: Store, kind: str, number: int, table: pa.Table) -> TableRow:
    data = _encode_parquet(table)
    sha256 = hashlib.sha256(data).hexdigest()
    name = f"{TABLES_FOLDER}/{kind}-{number:06d}-{sha256[:8]}.parquet"
    store.write(name, data)
    return TableRow(name=name, bytes=len(data), sha256=sha256)


def commit_batches(plan: Plan, ledger: Ledger, commits: Mapping[int, BatchCommit], scratch: Path) -> DatasetDoc:
    """Write dataset.json with these batches, and remove from the ledger the videos that are now in shards."""
    ordered = [commits[number] for number in sorted(commits)]
    shards = sorted((row for commit in ordered for row in commit.shards), key=lambda row: row.name)
    doc = DatasetDoc(
        tool_version=humove.__version__,
        config=plan.config.get_data_settings(),
        config_hash=plan.config_hash,
        annotators=tuple(plan.build_annotator_records()),
        splits=_sum_splits(shards, ordered),
        batches=tuple(commit.row for commit in ordered),
        shards=tuple(shards),
        counts=_sum_counts(commit.row.counts for commit in ordered),
        tables={kind: tuple(commit.tables[kind] for commit in ordered) for kind in TABLES},
    )
    ledger.store.write(DATASET_FILE, doc.to_bytes())
    tidy_commits(ledger, doc, scratch)
    return doc


def finish_commit(ledger: Ledger, doc: DatasetDoc, scratch: Path) -> None:
    """Bring the card, the tables at the root and the ledger up to date with dataset.json.

    Runs at the end of a build, and when a set is opened after a kill; it is cheap where all is up to date.
    """
    store = ledger.store
    tidy_commits(ledger, doc, scratch)
    if not store.exists(CARD_FILE) or not all(is_up_to_date(store, doc, table) for table in TABLES):
        store.write(CARD_FILE, render_card(open_dataset(store.location)).encode())
        remove_unlisted(store, doc)
        bring_tables_up_to_date(store, doc)  # last: it marks all of this as done


def _sum_splits(shards: list[ShardRow], commits: list[BatchCommit]) -> dict[str, SplitRow]:
    samples: dict[str, int] = defaultdict(int)
    videos: dict[str, int] = defaultdict(int)
    for row in shards:
        samples[row.split] += row.num_samples
    for commit in commits:
        for split, count in commit.row.num_videos.items():
            videos[split] += count
    return {s: SplitRow(num_samples=n, num_videos=videos[s]) for s, n in sorted(samples.items())}


def _sum_counts(all_counts: Iterable[Mapping[str, StageCounts]]) -> dict[str, StageCounts]:
    sums = {stage: dict.fromkeys(("inputs", "emitted", "rejected", "faulted"), 0) for stage in STAGES}
    for counts in all_counts:
        for stage, row in counts.items():
            for name, value in row.model_dump().items():
                sums[stage][name] += value
    return {stage: StageCounts(**row) for stage, row in sums.items()}


def find_free_numbers(doc: DatasetDoc | None) -> dict[str, int]:
    """Return the first free shard number of each split, after those of the committed set, whose shards stay until the
    next commit."""
    numbers: dict[str, int] = defaultdict(int)
    for split, number in (parse_shard_name(row.name) for row in (doc.shards if doc else ())):
        numbers[split] = max(numbers[split], number + 1)
    return numbers
