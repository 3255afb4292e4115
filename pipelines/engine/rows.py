"""The rows of the state table: what became of a video, and of a clip, as a worker tells the driver.

Small values alone: where arrays and videos lie, never what they hold.
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
"""A video. The keys name the settings of the stages that it passed, "" for those that it did not reach; `reject`,
`failure`, `probe`, `units`, `shots` and `transitions` are JSON or "". `origin` names the data sets whose ledgers hold
what the set's own does not, the nearest first, a line each; "" where there are none."""

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
"""A clip. `reject` is a precondition that failed at `reject_stage`, whatever the thresholds; `facts` the small values
of its steps by step, as JSON; `mp4_file` the file, relative to the set `mp4_origin` ("" for the set itself), that holds
its video. Then follow, for each step, key.STEP and cpu.STEP, and score.NAME for each score."""
KEY, CPU, SCORE = "key.", "cpu.", "score."


def clip_schema(columns: set[str]) -> pa.Schema:
    """The schema of a table of clips that has these columns beside the fixed ones."""
    more = sorted(columns - {name for name, _ in CLIP_COLUMNS})
    kinds = [(name, pa.string() if name.startswith(KEY) else pa.float64()) for name in more]
    return pa.schema([*CLIP_COLUMNS, *kinds])


def pack_signature(words: list[int]) -> bytes:
    return np.array(words, "<u8").tobytes()


def unpack_signatures(column: pa.ChunkedArray) -> np.ndarray:
    """(N, 8) uint64."""
    raw = b"".join(column.to_pylist())
    return np.frombuffer(raw, "<u8").reshape(-1, 8)


def to_json(value: Any) -> str:
    """A value as JSON text; "" for None."""
    return "" if value is None else json.dumps(value, sort_keys=True, ensure_ascii=False)


def from_json(text: str | None) -> Any:
    return json.loads(text) if text else None


def failure_of(stage: str, error: str, traceback: str = "", *, kind: str = "faulted") -> dict:
    """Why a unit has no record: a fault ("faulted"), or a source that cannot be had now ("rejected"). The next run
    tries again."""
    return {"kind": kind, "stage": stage, "error": error, "traceback": traceback}
