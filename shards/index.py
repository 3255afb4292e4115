"""index.parquet (a row per sample) and outcomes.parquet (a row per video, shot or clip): schemas, writers, readers.

Rows stream through a bounded buffer; files appear atomically, and the same rows give the same bytes.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from humove.storage.atomic import replace_atomically
from shards.schemas import SampleMeta
from shards.writer import Placement

ROWS_PER_GROUP = 8192
OUTCOME_UNITS = ("video", "shot", "clip")
OUTCOMES = ("kept", "split", "rejected", "faulted")

_TEXT = [(name, pa.string()) for name in ("key", "split", "shard")]
_INDEX = [
    *_TEXT,
    ("offset", pa.int64()),
    ("bytes", pa.int64()),
    ("mp4_offset", pa.int64()),
    ("mp4_bytes", pa.int64()),
    ("video_id", pa.string()),
    ("uri", pa.string()),
    ("category", pa.string()),
    ("caption", pa.string()),
    ("num_frames", pa.int64()),
    ("fps", pa.float64()),
    ("width", pa.int64()),
    ("height", pa.int64()),
    ("duration_s", pa.float64()),
]
INDEX_COLUMNS = tuple(name for name, _ in _INDEX)
"""Columns that every index has; one float64 column per score follows."""
NEW_INDEX_COLUMNS = ("offset", "bytes")
"""Columns that the indexes of older builds lack: a sample's first header, and the length of all its members."""

OUTCOMES_SCHEMA = pa.schema(
    [
        ("unit", pa.string()),
        ("video_id", pa.string()),
        ("uri", pa.string()),
        ("clip_id", pa.string()),
        ("start_frame", pa.int64()),
        ("end_frame", pa.int64()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("stage", pa.string()),
        ("outcome", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("score", pa.float64()),
        ("threshold", pa.float64()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One row of outcomes.parquet. Strings that do not apply are empty, numbers are None."""

    unit: str
    video_id: str
    uri: str
    stage: str
    outcome: str
    clip_id: str = ""
    start_frame: int | None = None
    end_frame: int | None = None
    start_s: float | None = None
    end_s: float | None = None
    reason: str = ""
    detail: str = ""
    score: float | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.unit not in OUTCOME_UNITS or self.outcome not in OUTCOMES:
            raise ValueError(f"unit {self.unit!r}, outcome {self.outcome!r}: want {OUTCOME_UNITS} and {OUTCOMES}")
        if self.outcome in ("rejected", "faulted") and not self.reason:
            raise ValueError(f"{self.uri} {self.clip_id}: {self.outcome} at {self.stage} without a reason")


def get_score_column(name: str) -> str:
    """Get the index's column for a score: its own name, unless the index has another column of that name."""
    return f"score_{name}" if name in INDEX_COLUMNS else name


def get_score_name(column: str) -> str:
    """Get the name of the score in a column of the index."""
    name = column.removeprefix("score_")
    return name if get_score_column(name) == column else column


def join_category(major: str, fine: str) -> str:
    """Join the non-empty parts of a category: "major/fine"."""
    return "/".join(part for part in (major, fine) if part)


def make_index_schema(scores: Sequence[str]) -> pa.Schema:
    """Make the index's schema with these scores in alphabetical order."""
    return pa.schema([*_INDEX, *((get_score_column(name), pa.float64()) for name in sorted(set(scores)))])


def make_index_row(meta: SampleMeta, placement: Placement) -> dict[str, Any]:
    """Make the index's row of a sample."""
    return {
        **asdict(placement),
        "video_id": meta.video_id,
        "uri": meta.uri,
        "category": join_category(meta.category.major, meta.category.fine),
        "caption": meta.captions.full,
        "num_frames": meta.num_frames,
        "fps": float(meta.rate),
        "width": meta.width,
        "height": meta.height,
        "duration_s": float(meta.num_frames / meta.rate),
        **{get_score_column(name): value for name, value in meta.scores.items()},
    }


class TableWriter:
    """A writer of a Parquet file, row by row; the file appears at the end of the `with` block.

    Row groups always hold ROWS_PER_GROUP rows, so the bytes depend on the rows only.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path, self._schema = path, schema
        self._rows: list[Mapping[str, Any]] = []
        self._files = ExitStack()
        self._table: pq.ParquetWriter | None = None
        self.num_rows = 0

    def __enter__(self) -> Self:
        temporary = self._files.enter_context(replace_atomically(self._path))
        self._table = pq.ParquetWriter(temporary, self._schema, compression="zstd", version="2.6", store_schema=False)
        return self

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row; columns that it lacks are null. ValueError for columns that the table lacks."""
        if not row.keys() <= set(self._schema.names):
            raise ValueError(f"{self._path.name} has no column {sorted(row.keys() - set(self._schema.names))}")
        self._rows.append(row)
        self.num_rows += 1
        if len(self._rows) == ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._rows and self._table is not None:
            self._table.write_table(pa.Table.from_pylist(self._rows, self._schema), row_group_size=ROWS_PER_GROUP)
            self._rows = []

    def __exit__(self, *error: Any) -> None:
        try:
            if error[0] is None:
                self._flush()
            self._table.close()
        except BaseException as failed:
            self._files.__exit__(type(failed), failed, failed.__traceback__)
            raise
        self._files.__exit__(*error)


class IndexWriter(TableWriter):
    """A writer of index.parquet; `scores` names every score that any row has."""

    def __init__(self, path: Path, scores: Sequence[str]) -> None:
        super().__init__(path, make_index_schema(scores))

    def add(self, meta: SampleMeta, placement: Placement) -> None:
        """Add the row of a sample that was written to a shard."""
        self.append(make_index_row(meta, placement))


class OutcomesWriter(TableWriter):
    """A writer of outcomes.parquet."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, OUTCOMES_SCHEMA)

    def add(self, outcome: Outcome) -> None:
        """Add a row."""
        self.append(asdict(outcome))


def read_rows(source: str | os.PathLike[str] | IO[bytes], columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """Read the rows of a table as dicts, a bounded number in memory."""
    with pq.ParquetFile(source, pre_buffer=False) as table:
        for batch in table.iter_batches(batch_size=ROWS_PER_GROUP, columns=columns, use_threads=False):
            yield from batch.to_pylist()


def read_table(source: str | os.PathLike[str] | IO[bytes], columns: list[str] | None = None) -> pa.Table:
    """Read a whole table without threads: a thread that reads a Python file at exit would abort the process."""
    with pq.ParquetFile(source, pre_buffer=False) as table:
        return table.read(columns=columns, use_threads=False)


def read_outcomes(source: str | os.PathLike[str] | IO[bytes]) -> Iterator[Outcome]:
    """Read the rows of outcomes.parquet, a bounded number in memory."""
    return (Outcome(**row) for row in read_rows(source))
