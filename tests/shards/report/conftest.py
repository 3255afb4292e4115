"""A data set of two hundred thousand samples, tables only."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from annotators.motion_quality.config import THRESHOLDS as QUALITY
from pipelines.stages.screen import THRESHOLDS as SCREEN
from shards.clips_table import CPU, SCORE
from shards.tables import ROOT_FILES

KEPT, ROWS, SHARDS = 200_000, 300_000, 200
_SCORES = {"brightness": 0.4, "sharpness": 0.8, "mean_confidence": 0.6, "jitter": 60.0, "reprojection_pct": 1.5}
_WORDS = (
    "person", "walks", "turns", "slowly", "quickly", "left", "right", "arm", "raises", "jumps", "dark", "red", "top",
)  # fmt: skip
_CONFIG = {
    "screen": {"min_short_side": 240, "min_brightness": 0.06, "max_highlights": 0.7, "max_still_share": 0.5,
               "min_sharpness": 0.5},
    "quality": {"min_valid_share": 0.8, "min_confidence": 0.25, "max_reprojection_pct": 8.0,
                "max_mirror_disagreement_mm": 220.0, "max_jitter": 300.0, "max_bone_spread": 0.25},
}  # fmt: skip


def _make_clips() -> pd.DataFrame:
    """Make clips: every third is too dark; those of shard 7 have three times the jitter."""
    rng, row = np.random.default_rng(0), np.arange(ROWS)
    kept = row % 3 != 0
    frames = rng.integers(40, 250, ROWS)
    start = 250 * (row % 4)
    frame = pd.DataFrame(
        {
            "clip_id": [f"{r // 4:016x}-s0000-c{r % 4:04d}-p00" for r in row],
            "video_id": [f"{r // 4:016x}" for r in row],
            "uri": [f"folder{r % 37}/video {r // 4}.mp4" for r in row],
            "batch": 0,
            "split": np.where(row // 4 % 20 == 0, "val", "train"),
            "category": np.array(["sport/run", "sport/jump", "dance", "daily/walk", ""])[rng.integers(0, 5, ROWS)],
            "caption": [" ".join(words) for words in np.array(_WORDS)[rng.integers(0, len(_WORDS), (ROWS, 14))]],
            "start_frame": start,
            "end_frame": start + frames,
            "start_s": start / 25,
            "end_s": (start + frames) / 25,
            "duration_s": frames / 25,
            "width": 720,
            "height": 960,
            "fps": 25.0,
            "stage": np.where(kept, "near_duplicates", "screen"),
            "outcome": np.where(kept, "kept", "rejected"),
            "reason": np.where(kept, "", "too_dark"),
            "detail": np.where(kept, "", "mean brightness 0.03 is below 0.06"),
            "reached": np.where(kept, "encode", "screen"),
            "stopped": "",
            "stopped_reason": "",
        }
    )
    for name, middle in _SCORES.items():
        values = middle * rng.normal(1, 0.1, ROWS)
        frame[SCORE + name] = np.where(kept | (name in ("brightness", "sharpness")), values, np.nan)
    frame.loc[~kept, SCORE + "brightness"] = 0.03
    frame.loc[~kept, ["split", "category", "caption"]] = ""
    frame[f"{CPU}screen"], frame[f"{CPU}motion"] = 0.01, np.where(kept, 4.0, np.nan)
    return frame


def _write_dataset(folder: Path) -> None:
    clips = _make_clips()
    kept = clips[clips["outcome"] == "kept"].reset_index(drop=True)
    number = np.arange(KEPT) * SHARDS // KEPT
    odd = number == 7
    kept.loc[odd, SCORE + "jitter"] *= 3
    index = kept[["split", "video_id", "uri", "category", "caption", "fps", "width", "height", "duration_s"]].assign(
        key=kept["clip_id"],
        shard=[f"train-{n:06d}.tar" for n in number],
        mp4_offset=512,
        mp4_bytes=250_000,
        num_frames=kept["end_frame"] - kept["start_frame"],
        **{name: kept[SCORE + name] for name in _SCORES},
    )
    columns = ["key", "split", "shard", "mp4_offset", "mp4_bytes", "video_id", "uri", "category", "caption",
               "num_frames", "fps", "width", "height", "duration_s", *sorted(_SCORES)]  # fmt: skip
    folder.mkdir()
    pq.write_table(pa.Table.from_pandas(index[columns], preserve_index=False), folder / "index.parquet")
    videos = (
        clips.groupby("video_id", sort=True).agg(uri=("uri", "first"), end_frame=("end_frame", "max")).reset_index()
    )
    videos = videos.assign(
        unit="video", clip_id="", start_frame=0, start_s=0.0, end_s=videos["end_frame"] / 25, stage="split",
        outcome="split", reason="", detail="fades and dissolves: none",
    )  # fmt: skip
    shared = ["video_id", "uri", "clip_id", "start_frame", "end_frame", "start_s", "end_s", "stage", "outcome",
              "reason", "detail"]  # fmt: skip
    rows = pd.concat([videos[["unit", *shared]], clips[shared].assign(unit="clip")], ignore_index=True)
    rows = rows.assign(score=np.where(rows["outcome"] == "rejected", 0.03, np.nan), threshold=0.06)
    pq.write_table(pa.Table.from_pandas(rows, preserve_index=False), folder / "outcomes.parquet")
    (folder / "ledger").mkdir()
    table = pa.Table.from_pandas(clips, preserve_index=False)
    signature = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(ROWS * 8, dtype=np.uint64)), 8)
    metadata = {"steps": ["screen", "motion"], "bars": [SCREEN.to_json(), QUALITY.to_json()],
                "video_cpu_s": {"scan": 900.0, "split": 20.0}, "config": _CONFIG}  # fmt: skip
    table = table.append_column("signature", signature)
    pq.write_table(table.replace_schema_metadata({"humove": json.dumps(metadata)}), folder / ROOT_FILES["clips"])
    count = len(videos)

    def make_counts(inputs: int, rejected: int = 0) -> dict:
        return {"inputs": inputs, "emitted": inputs - rejected, "rejected": rejected, "faulted": 0}

    doc = {
        "schema_version": 1, "tool_version": "0.1.0", "config": _CONFIG, "config_hash": "0" * 16, "annotators": [],
        "splits": {
            split: {"num_samples": int((kept["split"] == split).sum()),
                    "num_videos": int(kept.loc[kept["split"] == split, "video_id"].nunique())}
            for split in ("train", "val")
        },
        "batches": [{"number": 0, "num_inputs": count, "inputs_sha256": "0" * 64, "num_samples": KEPT,
                     "shards": [f"train-{n:06d}.tar" for n in range(SHARDS)]}],
        "shards": [{"name": f"train-{n:06d}.tar", "split": "train", "num_samples": KEPT // SHARDS,
                    "bytes": 260_000 * KEPT // SHARDS, "sha256": "0" * 64} for n in range(SHARDS)],
        "counts": {"split": make_counts(count), "screen": make_counts(ROWS, ROWS // 3),
                   "near_duplicates": make_counts(KEPT)},
    }  # fmt: skip
    (folder / "dataset.json").write_text(json.dumps(doc))


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The set; its shards are missing."""
    folder = tmp_path_factory.mktemp("large") / "set"
    _write_dataset(folder)
    return folder
