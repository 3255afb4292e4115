"""A synthetic unfinished data set: inputs, and the state table of a build of that many videos.

No video and no record exists: it serves to measure the driver's own work.
"""

import json

import numpy as np
import pyarrow as pa

from humove.storage import Store
from humove.types import Source
from pipelines.engine.ledger import Ledger
from pipelines.engine.plan import Plan
from pipelines.engine.rows import CPU, KEY, SCORE, VIDEO_SCHEMA, make_clip_schema
from pipelines.engine.state import StateTables
from pipelines.inputs.reference import InputRef

CLIPS_OF_VIDEO = 5
_KEPT = 0.4
_REPEATED = 0.02
"""Share of the clips that are near-duplicates."""
_PROBE = {
    "width": 1280, "height": 720, "fps": "30", "codec": "h264", "container": "mov,mp4,m4a,3gp,3g2,mj2",
    "coded_width": 1280, "coded_height": 720, "sar": "1", "rotation": 0, "interlaced": False, "full_range": False,
    "matrix": "bt709", "time_base": "1/15360", "promised_frames": 1500, "duration_s": 50.0, "focal_35mm": 0.0,
}  # fmt: skip
_CAPTION = {
    "appearance": "a person in a dark blue shirt and light grey trousers",
    "background": "a room with a light wall and a wooden floor",
    "action": "walks to the left, turns around, raises the right arm and walks back",
    "full": "A person in a dark blue shirt and light grey trousers walks to the left, turns around and walks back.",
    "source": "kinematics",
}


def write_synthetic_set(store: Store, plan: Plan, videos: int, batch_videos: int = 10_000, seed: int = 0) -> None:
    """Write the inputs and the state of a completely measured build."""
    ledger = Ledger(store)
    ledger.write_version()
    ledger.write_settings(plan.config.get_data_settings())
    rng = np.random.default_rng(seed)
    for number, start in enumerate(range(0, videos, batch_videos)):
        items = [make_item(place) for place in range(start, min(start + batch_videos, videos))]
        ledger.freeze_batch(number, items)
        ledger.open_state(number).replace_rows(make_state(plan, items, start, rng))


def make_item(place: int) -> InputRef:
    return InputRef(
        uri=f"videos/{place % 997:03d}/{place:09d}.mp4",
        location=f"https://videos.invalid/{place:09d}.mp4",
        stamp=f"{5_000_000 + place}-etag{place}",
        source=Source(),
        size=5_000_000 + place,
    )


def make_state(plan: Plan, items: list[InputRef], first: int, rng: np.random.Generator) -> StateTables:
    """Make the rows of a batch: five clips per video, 40 % of them kept, the others rejected at some stage."""
    count = len(items) * CLIPS_OF_VIDEO
    video_ids = [f"{(first + place) * 2_654_435_761 % 2**64:016x}" for place in range(len(items))]
    shots = [
        {"start": k * 300, "end": (k + 1) * 300, "times": [k * 10.0, (k + 1) * 10.0], "reject": None}
        for k in range(CLIPS_OF_VIDEO)
    ]
    constant = {
        "ingest_key": plan.ingest_key, "scan_key": plan.scan_key, "split_key": plan.split_key, "reject_stage": "",
        "reject": "", "failure": "", "probe": json.dumps(_PROBE), "units": "[[null, null]]", "num_frames": 1500,
        "timed": True, "shots": json.dumps(shots), "transitions": "[]", "cpu.scan": 3.0, "cpu.split": 0.2, "origin": "",
    }  # fmt: skip
    columns = {name: [value] * len(items) for name, value in constant.items()}
    columns |= {"input_id": [item.input_id for item in items], "video_id": video_ids}
    videos = pa.Table.from_pydict(columns, VIDEO_SCHEMA)
    return StateTables(videos=videos, clips=_make_clips(plan, columns["input_id"], video_ids, count, rng))


def _make_clips(
    plan: Plan, input_ids: list[str], video_ids: list[str], count: int, rng: np.random.Generator
) -> pa.Table:
    owner = np.repeat(np.arange(len(input_ids)), CLIPS_OF_VIDEO)
    place = np.tile(np.arange(CLIPS_OF_VIDEO), len(input_ids))
    signatures = rng.integers(2**63, size=(count, 8), dtype=np.uint64)
    repeated = rng.random(count) < _REPEATED
    signatures[repeated] = signatures[rng.integers(count, size=int(repeated.sum()))]
    facts = json.dumps(
        {
            "track": {"fps": [30, 1], "width": 1280, "height": 720, "decode_s": 1.0},
            "crop": {"xyxy": [200, 0, 900, 720], "width": 700, "height": 720},
            "motion": {"focal": {"source": "default", "detail": "assumed: 55 degrees over the longer side"}},
            "caption": _CAPTION,
            "encode": {"bytes": 2_000_000},
        }
    )
    columns: dict[str, object] = {
        "input_id": [input_ids[k] for k in owner],
        "clip_id": [f"{video_ids[k]}-s{p:04d}-c0000-p00" for k, p in zip(owner, place, strict=True)],
        "split_key": [plan.split_key] * count,
        "unit": [input_ids[k] for k in owner],
        "origin": [""] * count,
        "shot_index": place,
        "clip_index": np.zeros(count, np.int64),
        "start_frame": place * 300,
        "end_frame": place * 300 + 300,
        "start_s": place * 10.0,
        "end_s": place * 10.0 + 10.0,
        "signature": pa.array([row.tobytes() for row in signatures.astype("<u8")], pa.binary(64)),
        "reject_stage": [""] * count,
        "reject": [""] * count,
        "failure": [""] * count,
        "facts": [facts] * count,
        "mp4_origin": [""] * count,
        "mp4_file": [f"ledger/videos/{input_ids[k][:2]}/{input_ids[k]}.tar" for k in owner],
        "mp4_offset": np.full(count, 512),
        "mp4_bytes": np.full(count, 2_000_000),
    }
    for step in plan.steps:
        columns[f"{KEY}{step.name}"] = [plan.step_keys[step.name]] * count
        columns[f"{CPU}{step.name}"] = rng.random(count)
    columns |= {f"{SCORE}{name}": values for name, values in _make_scores(plan, count, rng).items()}
    schema = make_clip_schema(set(columns))
    return pa.Table.from_pydict({name: columns[name] for name in schema.names}, schema)


def _make_scores(plan: Plan, count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Make scores that meet every threshold for the kept clips, and miss one for each of the others."""
    limits = [
        (threshold, float(getattr(getattr(plan.config, stage.stage), threshold.field)))
        for stage in plan.step_thresholds.values()
        for threshold in stage.thresholds
    ]
    scores = {}
    for threshold, _ in limits:
        same = [(t.at_least, limit) for t, limit in limits if t.score == threshold.score]
        least = max((limit for at_least, limit in same if at_least), default=0.0)
        most = min((limit for at_least, limit in same if not at_least), default=least + 1)
        scores[threshold.score] = least + (most - least) * rng.random(count)
    missed = np.flatnonzero(rng.random(count) >= _KEPT)
    strict = [(threshold, limit) for threshold, limit in limits if not threshold.at_least or limit > 0]
    for place, which in zip(missed, rng.integers(len(strict), size=len(missed)), strict=True):
        threshold, limit = strict[which]
        scores[threshold.score][place] = limit - 0.01 if threshold.at_least else limit + 1.0
    return scores
