"""Everything that was measured of every clip, kept or not: the table behind the report and the explorer.

    OUT/tables/clips-*.parquet   clip by clip: where it lies, what became of it, how far it was measured, every score

The build writes it at assembly; older builds wrote OUT/ledger/clips.parquet. Where there is neither, the table is made
from the index and the outcomes: of a rejected clip no more is known then than the score that it was rejected for.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from humove.bars import Bar, StageBars
from humove.reasons import Reason
from shards.index import INDEX_COLUMNS, score_name
from shards.reader import Dataset
from shards.tables import ROOT_FILES, list_table_files, open_table

CLIPS_FILE = ROOT_FILES["clips"]
SCORE, CPU = "score.", "cpu."
"""Prefixes of the columns that hold a score, and the CPU seconds of a step."""
NEAR_DUPLICATES = "near_duplicates"

_COLUMNS = [
    ("clip_id", pa.string()),
    ("video_id", pa.string()),
    ("uri", pa.string()),
    ("batch", pa.int64()),
    ("split", pa.string()),
    ("category", pa.string()),
    ("caption", pa.string()),
    ("start_frame", pa.int64()),
    ("end_frame", pa.int64()),
    ("start_s", pa.float64()),
    ("end_s", pa.float64()),
    ("duration_s", pa.float64()),
    ("width", pa.int64()),
    ("height", pa.int64()),
    ("fps", pa.float64()),
    ("stage", pa.string()),
    ("outcome", pa.string()),
    ("reason", pa.string()),
    ("detail", pa.string()),
    ("reached", pa.string()),
    ("stopped", pa.string()),
    ("stopped_reason", pa.string()),
    ("signature", pa.list_(pa.uint64(), 8)),
]
CLIP_COLUMNS = tuple(name for name, _ in _COLUMNS)
CLIP_SCHEMA = pa.schema(_COLUMNS)
"""The columns that every table of clips has; one for each score and each step's CPU seconds follow."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClipTable:
    """One row a clip, in clip_id order, and the bars that they are held against.

    Columns: clip_id, video_id, uri, batch, split, category, caption ("" where none), start_frame, end_frame, start_s,
    end_s, duration_s, width, height (px of the video as displayed), fps; stage, outcome (kept, rejected, faulted),
    reason, detail as the build settled them; reached (the last step that has a record), stopped and stopped_reason
    (the step whose precondition failed, whatever the thresholds; "" where none did); score.NAME for each score (NaN
    where it was not measured), cpu.STEP (CPU seconds, NaN where it did not run), signature (8 words, or None).
    """

    frame: pd.DataFrame
    stage_bars: tuple[StageBars, ...]
    steps: tuple[str, ...]
    """The steps of a clip, in order."""
    config: dict[str, Any]
    video_cpu_s: dict[str, float]
    """CPU seconds of the stages that work on whole videos: scan, split."""
    complete: bool
    """False where a rejected clip has one score at the most: the ledger is gone."""

    def threshold(self, setting: str) -> float:
        """A bar's threshold in the build's configuration. KeyError for a setting that does not exist."""
        section, _, field = setting.partition(".")
        return float(self.config[section][field])

    @property
    def bars(self) -> tuple[Bar, ...]:
        """Every bar, in stage order."""
        return tuple(bar for stage in self.stage_bars for bar in stage.bars)


def read_clips(dataset: Dataset) -> ClipTable:
    """The clips of a data set: from its tables, or, where that of the clips is gone, from its index and outcomes."""
    files = list_table_files(dataset.doc, "clips")
    if not dataset.exists(files[0].name):
        return _from_outcomes(dataset)
    tables = []
    for file in files:
        with open_table(dataset.store, file) as part:
            tables.append(part.read(use_threads=False))
    return parse_clip_tables(tables)


def parse_clip_tables(tables: Sequence[pa.Table]) -> ClipTable:
    """The clips of several tables, such as the batches' parts; what the last one says of itself holds for all."""
    said = [json.loads(table.schema.metadata[b"humove"]) for table in tables]
    cpu_s: Counter[str] = Counter()
    for each in said:
        cpu_s.update(each["video_cpu_s"])
    whole = tables[0] if len(tables) == 1 else pa.concat_tables(tables, promote_options="default")
    return _parse(whole, {**said[-1], "video_cpu_s": dict(cpu_s)})


def _parse(table: pa.Table, said: dict[str, Any]) -> ClipTable:
    bars = (
        StageBars(
            stage=stage["stage"],
            rule=stage["rule"],
            bars=tuple(Bar(**{**bar, "reason": Reason(bar["reason"])}) for bar in stage["bars"]),
        )
        for stage in said["bars"]
    )
    frame = table.to_pandas(use_threads=False).sort_values("clip_id", ignore_index=True)
    return ClipTable(
        frame=frame,
        stage_bars=tuple(bars),
        steps=tuple(said["steps"]),
        config=said["config"],
        video_cpu_s=said["video_cpu_s"],
        complete=True,
    )


def _from_outcomes(dataset: Dataset) -> ClipTable:
    index = dataset.table("index").to_pandas(use_threads=False)
    outcomes = dataset.table("outcomes").to_pandas(use_threads=False)
    frame = outcomes[outcomes["unit"] == "clip"].drop(columns=["unit", "score", "threshold"])
    scores = [name for name in index.columns if name not in INDEX_COLUMNS]
    known = index.set_index("key")
    frame = frame.assign(
        batch=0,
        duration_s=frame["end_s"] - frame["start_s"],
        reached=np.where(frame["outcome"] == "kept", "encode", ""),
        stopped="",
        stopped_reason="",
        signature=None,
    )
    for name in ("split", "category", "caption"):
        frame[name] = frame["clip_id"].map(known[name]).fillna("")
    for name in ("width", "height", "fps"):
        frame[name] = frame["clip_id"].map(known[name])
    for column in scores:
        frame[f"{SCORE}{score_name(column)}"] = frame["clip_id"].map(known[column])
    return ClipTable(
        frame=frame.sort_values("clip_id", ignore_index=True),
        stage_bars=(),
        steps=(),
        config=dataset.doc.config,
        video_cpu_s={},
        complete=False,
    )
