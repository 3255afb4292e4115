"""The state of a build: tables of rows by batch. Planning, assembly, the report and the explorer read nothing else.

    OUT/ledger/state/000003/videos-0000.parquet, clips-0000.parquet     rows of batch 3, in parts

A later row of a video or clip does not replace the earlier ones: which row counts depends on the present settings
(pipelines.engine.resolve). Assembly replaces the parts of a batch by one.
"""

import io
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from humove.storage.store import Store
from pipelines.engine.rows import VIDEO_SCHEMA, make_clip_schema
from pipelines.stages.records import FORMER_STEPS
from shards.format import LEDGER_FOLDER

_WHOLE = "-whole"
"""The suffix of a part that replaces all parts before it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StateTables:
    """The rows of one batch, in the order of arrival."""

    videos: pa.Table
    clips: pa.Table


@dataclass(slots=True, kw_only=True)
class BatchState:
    """The state of one batch: stored rows, and rows that are not stored yet."""

    store: Store
    number: int
    base: "BatchState | None" = None
    """The same batch of the data set that this one is selected from: its rows come first."""
    _videos: list[dict[str, Any]] = field(default_factory=list)
    _clips: list[dict[str, Any]] = field(default_factory=list)
    _stored: StateTables | None = None
    _parts: int = 0

    @property
    def folder(self) -> str:
        return f"{LEDGER_FOLDER}/state/{self.number:06d}"

    @property
    def num_waiting(self) -> int:
        """The number of rows that are not stored. A kill loses them; their units are read again, not measured again."""
        return len(self._videos) + len(self._clips)

    def add(self, videos: list[dict[str, Any]], clips: list[dict[str, Any]]) -> None:
        self._videos += videos
        self._clips += clips

    def read(self) -> StateTables:
        """Return all rows of the batch."""
        if self._stored is None:
            self._stored = self._read_parts()
        if self.num_waiting:
            videos, clips = self._take_waiting()
            self._stored = StateTables(
                videos=_concat_tables([self._stored.videos, videos]), clips=_concat_tables([self._stored.clips, clips])
            )
        return self._stored

    def save(self) -> None:
        """Store the waiting rows as a new part."""
        if not self.num_waiting:
            return
        videos, clips = self._take_waiting()
        self._write_part(videos, clips, self._parts)
        self._parts += 1
        if self._stored is not None:
            self._stored = StateTables(
                videos=_concat_tables([self._stored.videos, videos]), clips=_concat_tables([self._stored.clips, clips])
            )

    def replace_rows(self, tables: StateTables) -> None:
        """Replace all parts, and the rows of the base, by these rows."""
        parts = [entry.name for entry in self.store.list(self.folder)]
        kept = self._write_part(tables.videos, tables.clips, self._parts, whole=True)
        self.store.delete([name for name in parts if name not in kept])
        self._videos, self._clips, self._stored = [], [], tables
        self._parts += 1

    def _take_waiting(self) -> tuple[pa.Table, pa.Table]:
        columns = {name for row in self._clips for name in row}
        videos = pa.Table.from_pylist(self._videos, VIDEO_SCHEMA)
        clips = pa.Table.from_pylist(self._clips, make_clip_schema(columns))
        self._videos, self._clips = [], []
        return videos, clips

    def _write_part(self, videos: pa.Table, clips: pa.Table, part: int, *, whole: bool = False) -> set[str]:
        names = set()
        for kind, table in (("clips", clips), ("videos", videos)):  # videos last: a part without them is ignored
            raw = io.BytesIO()
            pq.write_table(table, raw, compression="zstd")
            name = f"{self.folder}/{kind}-{part:04d}{_WHOLE if whole else ''}.parquet"
            self.store.write(name, raw.getvalue())
            names.add(name)
        return names

    def _read_parts(self) -> StateTables:
        names = sorted(entry.name for entry in self.store.list(self.folder))
        parts = [name.rpartition("/")[2].removesuffix(".parquet") for name in names]
        parts = sorted(part.removeprefix("videos-") for part in parts if part.startswith("videos-"))
        whole = [at for at, part in enumerate(parts) if part.endswith(_WHOLE)]
        parts = parts[whole[-1] if whole else 0 :]
        self._parts = 1 + max((int(part.partition("-")[0]) for part in parts), default=-1)
        tables = {"videos": [VIDEO_SCHEMA.empty_table()], "clips": [make_clip_schema(set()).empty_table()]}
        if self.base is not None and not whole:
            rows = self.base.read()
            tables["videos"].append(_prepend_origin(rows.videos, self.base.store.location))
            tables["clips"].append(_prepend_origin(rows.clips, self.base.store.location))
        for part in parts:
            for kind, found in tables.items():
                raw = self.store.read(f"{self.folder}/{kind}-{part}.parquet")
                found.append(_rename_steps(pq.read_table(io.BytesIO(raw), use_threads=False)))
        return StateTables(videos=_concat_tables(tables["videos"]), clips=_concat_tables(tables["clips"]))


def _rename_steps(table: pa.Table) -> pa.Table:
    """Give columns of an earlier version, such as cpu.picture, the present names of their steps."""
    parts = (name.partition(".") for name in table.column_names)
    return table.rename_columns([f"{kind}{dot}{FORMER_STEPS.get(step, step)}" for kind, dot, step in parts])


def _concat_tables(tables: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables, promote_options="default").combine_chunks()


def _prepend_origin(table: pa.Table, location: str) -> pa.Table:
    """Return rows of another data set's state with that set's location put before their own origins."""
    if not len(table):
        return table
    further = pc.binary_join_element_wise(location, table["origin"], "\n")
    origin = pc.if_else(pc.equal(table["origin"], ""), location, further)
    table = table.set_column(table.schema.get_field_index("origin"), "origin", origin)
    if "mp4_origin" not in table.column_names:
        return table
    own = pc.and_(pc.equal(table["mp4_origin"], ""), pc.not_equal(table["mp4_file"], ""))
    place = table.schema.get_field_index("mp4_origin")
    return table.set_column(place, "mp4_origin", pc.if_else(own, location, table["mp4_origin"]))
