"""The rows of the state table: the state of a video or a clip, as workers report it to the driver.

Rows hold small values and the places of arrays and videos, never their content.
"""

import json
from typing import Any

import numpy as np
import pyarrow as pa

VIDEO_SCHEMA = pa.schema(
    [
        ("input_id", pa.string()),
        ("video_id", pa.string()),
        ("ingest_key", pa.string()),
        ("scan_key", pa.string()),
        ("split_key", pa.string()),
        ("reject_stage", pa.string()),
        ("reject", pa.string()),
        ("failure", pa.string()),
        ("probe", pa.string()),
        ("units", pa.string()),
        ("num_frames", pa.int64()),
        ("timed", pa.bool_()),
        ("shots", pa.string()),
        ("transitions", pa.string()),
        ("cpu.scan", pa.float64()),
        ("cpu.split", pa.float64()),
        ("origin", pa.string()),
    ]
)
"""A video. The keys name the settings of the stages that it passed, "" for stages that it did not reach; `reject`,
`failure`, `probe`, `units`, `shots` and `transitions` are JSON or "". `origin` lists the data sets with records that
this set's ledger lacks, the nearest first, one per line; "" where there are none."""

CLIP_COLUMNS: list[tuple[str, pa.DataType]] = [
    ("input_id", pa.string()),
    ("clip_id", pa.string()),
    ("split_key", pa.string()),
    ("unit", pa.string()),
    ("origin", pa.string()),
    ("shot_index", pa.int64()),
    ("clip_index", pa.int64()),
    ("start_frame", pa.int64()),
    ("end_frame", pa.int64()),
    ("start_s", pa.float64()),
    ("end_s", pa.float64()),
    ("signature", pa.binary(64)),
    ("reject_stage", pa.string()),
    ("reject", pa.string()),
    ("failure", pa.string()),
    ("facts", pa.string()),
    ("mp4_origin", pa.string()),
    ("mp4_file", pa.string()),
    ("mp4_offset", pa.int64()),
    ("mp4_bytes", pa.int64()),
]
"""A clip. `reject` is a precondition that failed at `reject_stage`, independent of thresholds; `facts` holds the small
values of its steps by step, as JSON; `mp4_file` is the file with its video, relative to the data set `mp4_origin` ("":
this set). The further columns are key.STEP and cpu.STEP for each step, and score.NAME for each score."""
KEY, CPU, SCORE = "key.", "cpu.", "score."


def make_clip_schema(columns: set[str]) -> pa.Schema:
    """Return the schema of a table of clips with these columns beside the fixed ones."""
    more = sorted(columns - {name for name, _ in CLIP_COLUMNS})
    kinds = [(name, pa.string() if name.startswith(KEY) else pa.float64()) for name in more]
    return pa.schema([*CLIP_COLUMNS, *kinds])


def pack_signature(words: list[int]) -> bytes:
    return np.array(words, "<u8").tobytes()


def unpack_signatures(column: pa.ChunkedArray) -> np.ndarray:
    """Return the signatures, (N, 8) uint64."""
    raw = b"".join(column.to_pylist())
    return np.frombuffer(raw, "<u8").reshape(-1, 8)


def to_json(value: Any) -> str:
    """Return a value as JSON text; "" for None."""
    return "" if value is None else json.dumps(value, sort_keys=True, ensure_ascii=False)


def from_json(text: str | None) -> Any:
    return json.loads(text) if text else None


def make_failure(stage: str, error: str, traceback: str = "", *, kind: str = "faulted") -> dict:
    """Return why a unit has no record: a fault ("faulted"), or a source that is unavailable now ("rejected").

    The next run tries again.
    """
    return {"kind": kind, "stage": stage, "error": error, "traceback": traceback}
