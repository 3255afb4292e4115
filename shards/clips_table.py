"""The table of all clips, kept or not, with their scores; the report and the explorer read it.

    OUT/tables/clips-*.parquet   a row per clip: source, outcome, last measured step, all scores

The build writes it at assembly; older builds wrote OUT/ledger/clips.parquet. If there is neither, the table is derived
from the index and the outcomes; a rejected clip then has at most the score that it was rejected for.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from humove.config.thresholds import StageThresholds, Threshold
from shards.index import INDEX_COLUMNS, get_score_name
from shards.reader import Dataset
from shards.tables import list_table_files, open_table

SCORE, CPU = "score.", "cpu."
"""Prefixes of the columns of scores and of the steps' CPU seconds."""
NEAR_DUPLICATES = "near_duplicates"

CLIP_SCHEMA = pa.schema(
    [
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
)
"""The fixed columns; one per score and one per step's CPU seconds follow."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClipTable:
    """One row per clip, in clip_id order, and the thresholds of their scores.

    Columns: clip_id, video_id, uri, batch, split, category, caption ("" where none), start_frame, end_frame, start_s,
    end_s, duration_s, width, height (px of the video as displayed), fps; stage, outcome (kept, rejected, faulted),
    reason, detail as the build recorded them; reached (the last step that has a record), stopped and stopped_reason
    (the step whose precondition failed, independent of thresholds; "" if none did); score.NAME for each score (NaN
    if not measured), cpu.STEP (CPU seconds, NaN if it did not run), signature (8 words, or None).
    """

    frame: pd.DataFrame
    stage_thresholds: tuple[StageThresholds, ...]
    steps: tuple[str, ...]
    """The steps of a clip, in order."""
    config: dict[str, Any]
    video_cpu_s: dict[str, float]
    """CPU seconds of the stages on whole videos: scan, split."""
    complete: bool
    """False if the table was derived without the ledger: a rejected clip has at most one score."""

    def get_limit(self, setting: str) -> float:
        """Return the limit of a threshold in the build's configuration. KeyError for a setting that does not exist."""
        section, _, field = setting.partition(".")
        return float(self.config[section][field])

    @property
    def thresholds(self) -> tuple[Threshold, ...]:
        """All thresholds, in stage order."""
        return tuple(threshold for stage in self.stage_thresholds for threshold in stage.thresholds)


def read_clips(dataset: Dataset) -> ClipTable:
    """Read the clips of a data set from its table of clips or, if that is missing, from its index and outcomes."""
    files = list_table_files(dataset.doc, "clips")
    if not dataset.exists(files[0].name):
        return _derive_from_outcomes(dataset)
    tables = []
    for file in files:
        with open_table(dataset.store, file) as part:
            tables.append(part.read(use_threads=False))
    return parse_clip_tables(tables)


def parse_clip_tables(tables: Sequence[pa.Table]) -> ClipTable:
    """Parse the clips of several tables, such as the batches' parts; the last one's metadata applies to all."""
    metadata = [json.loads(table.schema.metadata[b"humove"]) for table in tables]
    cpu_s: Counter[str] = Counter()
    for each in metadata:
        cpu_s.update(each["video_cpu_s"])
    merged = tables[0] if len(tables) == 1 else pa.concat_tables(tables, promote_options="default")
    return _make_clip_table(merged, {**metadata[-1], "video_cpu_s": dict(cpu_s)})


def _make_clip_table(table: pa.Table, metadata: dict[str, Any]) -> ClipTable:
    frame = table.to_pandas(use_threads=False).sort_values("clip_id", ignore_index=True)
    return ClipTable(
        frame=frame,
        stage_thresholds=tuple(StageThresholds.from_json(stage) for stage in metadata["bars"]),
        steps=tuple(metadata["steps"]),
        config=metadata["config"],
        video_cpu_s=metadata["video_cpu_s"],
        complete=True,
    )


def _derive_from_outcomes(dataset: Dataset) -> ClipTable:
    index = dataset.read_table("index").to_pandas(use_threads=False)
    outcomes = dataset.read_table("outcomes").to_pandas(use_threads=False)
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
        frame[f"{SCORE}{get_score_name(column)}"] = frame["clip_id"].map(known[column])
    return ClipTable(
        frame=frame.sort_values("clip_id", ignore_index=True),
        stage_thresholds=(),
        steps=(),
        config=dataset.doc.config,
        video_cpu_s={},
        complete=False,
    )
