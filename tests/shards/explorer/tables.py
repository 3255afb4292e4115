"""Synthetic tables of clips, with every threshold of a build, and with duplicates."""

from typing import Any

import numpy as np
import pandas as pd

from pipelines.config import BuildConfig
from shards.clips_table import CPU, SCORE, ClipTable
from tests.builds import STAGE_THRESHOLDS

STEPS = (
    "screen", "track", "crop", "frame_quality", "aesthetic", "pose2d", "motion", "quality", "caption", "encode",
)  # fmt: skip
SCALE = {"short_side": 1080.0, "reprojection_pct": 16.0, "mirror_disagreement_mm": 440.0, "jitter": 600.0,
         "aesthetic": 10.0, "caption_words": 100.0}  # fmt: skip
"""The maximum of each score; 1 if not listed."""
WHOLE = ("screen.min_short_side", "caption.min_words", "caption.max_words")
"""Thresholds that are whole numbers."""


def make_signatures(rng: np.random.Generator, count: int, duplicates: float = 0.3) -> np.ndarray:
    """Make (count, 8) uint64; some differ in a few bits from an earlier one."""
    words = rng.integers(0, 2**64, (count, 8), dtype=np.uint64)
    for row in np.flatnonzero(rng.random(count) < duplicates):
        words[row] = words[rng.integers(0, row + 1)]
        for bit in rng.integers(0, 512, rng.integers(0, 40)):
            words[row, bit // 64] ^= np.uint64(1) << np.uint64(bit % 64)
    return words


def make_clips(count: int, seed: int, duplicates: float = 0.3) -> pd.DataFrame:
    """Make clips that reached random steps, without verdicts: all count as kept."""
    rng = np.random.default_rng(seed)
    ids = [f"{number:016x}-s0000-c0000-p00" for number in range(count)]
    reached = rng.choice(len(STEPS), count, p=[0.04] * 9 + [0.64])
    stopped = np.where((rng.random(count) < 0.1) & (reached > 0), reached, -1)
    reached = np.where((stopped < 0) & (rng.random(count) < 0.5), len(STEPS) - 1, reached)
    columns: dict[str, Any] = {
        "clip_id": ids,
        "video_id": [name[:16] for name in ids],
        "uri": [f"folder {number % 97}/vidéo {number} <b>.mp4" for number in range(count)],
        "batch": rng.integers(0, 3, count),
        "split": rng.choice(["train", "val", "test"], count, p=[0.8, 0.1, 0.1]),
        "category": rng.choice(["Dance", "Athletics/Run", "Daily", ""], count),
        "caption": [f"A person in red walks {number} steps." for number in range(count)],
        "start_frame": np.zeros(count, np.int64),
        "end_frame": np.full(count, 75),
        "start_s": np.zeros(count),
        "end_s": np.full(count, 2.5),
        "duration_s": rng.uniform(1.5, 10, count),
        "width": rng.choice([480, 640, 1920], count),
        "height": rng.choice([640, 1080], count),
        "fps": np.full(count, 30.0),
        "stage": "near_duplicates",
        "outcome": "kept",
        "reason": "",
        "detail": "",
        "reached": [STEPS[place] for place in reached],
        "stopped": [STEPS[place] if place >= 0 else "" for place in stopped],
        "stopped_reason": np.where(stopped >= 0, "no_person", ""),
        "signature": list(make_signatures(rng, count, duplicates)),
    }
    for stage in STAGE_THRESHOLDS:
        measured = reached >= STEPS.index(stage.stage)
        for threshold in stage.thresholds:
            # Most clips pass; otherwise few would reach the last threshold.
            share = rng.random(count) ** (0.08 if threshold.at_least else 6)
            known = measured & (rng.random(count) < 0.1) if threshold.optional else measured
            columns[f"{SCORE}{threshold.score}"] = np.where(known, share * SCALE.get(threshold.score, 1.0), np.nan)
    lost = rng.random(count) < 0.05
    for name in ("reprojection_pct", "mirror_disagreement_mm", "bone_spread"):  # no valid frame
        columns[f"{SCORE}{name}"] = np.where(lost, np.nan, columns[f"{SCORE}{name}"])
    for step in STEPS:
        columns[f"{CPU}{step}"] = np.where(reached >= STEPS.index(step), rng.random(count), np.nan)
    return pd.DataFrame(columns)


def make_table(clips: pd.DataFrame, config: BuildConfig | None = None) -> ClipTable:
    return ClipTable(
        frame=clips,
        stage_thresholds=STAGE_THRESHOLDS,
        steps=STEPS,
        config=(config or BuildConfig()).get_data_settings(),
        video_cpu_s={},
        complete=True,
    )
