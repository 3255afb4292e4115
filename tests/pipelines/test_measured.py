"""The table of clips: the entries of each clip in the ledger, equal to the outcomes of the build."""

import math
import shutil
from pathlib import Path

import pytest

from humove.errors import UserError
from shards.clips_table import SCORE, read_clips
from shards.reader import open_dataset
from tests.builds import run_build


def test_the_table_has_every_clip_with_its_outcome(built: Path) -> None:
    dataset = open_dataset(str(built))
    clips = read_clips(dataset)
    outcomes = {row.clip_id: row for row in dataset.iterate_outcomes() if row.unit == "clip"}
    assert clips.complete and list(clips.frame["clip_id"]) == sorted(outcomes)
    for row in clips.frame.to_dict("records"):
        outcome = outcomes[row["clip_id"]]
        for name in ("uri", "stage", "outcome", "reason", "detail", "start_frame", "end_frame", "start_s", "end_s"):
            assert row[name] == getattr(outcome, name), name
    metas = {meta["key"]: meta for meta in dataset.iterate_metas()}
    kept = clips.frame[clips.frame["outcome"] == "kept"].set_index("clip_id")
    assert set(kept.index) == set(metas)
    for key, meta in metas.items():
        scores = {name: kept.loc[key, SCORE + name] for name in meta["scores"]}
        assert scores == meta["scores"]
        assert (kept.loc[key, "caption"], kept.loc[key, "reached"]) == (meta["captions"]["full"], "encode")
        assert kept.loc[key, ["cpu.track", "cpu.motion", "cpu.encode"]].gt(0).all()


def test_thresholds_come_with_their_limits(built: Path) -> None:
    clips = read_clips(open_dataset(str(built)))
    assert [stage.stage for stage in clips.stage_thresholds] == [
        "screen", "track", "frame_quality", "pose2d", "quality", "caption",
    ]  # fmt: skip
    assert clips.get_limit("screen.min_brightness") == 0.06
    assert {t.score for t in clips.thresholds if not t.optional} <= {c.removeprefix(SCORE) for c in clips.frame.columns}
    assert clips.steps[:2] == ("screen", "track")
    assert clips.video_cpu_s["scan"] > 0


def test_a_clip_rejected_by_a_tighter_threshold_keeps_its_later_scores(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    shutil.copy(videos / "squat.mp4", tmp_path / "videos")
    run_build(tmp_path / "videos", tmp_path / "out")
    with pytest.raises(UserError, match="no sample was kept"):
        run_build(tmp_path / "videos", tmp_path / "out", "screen.min_brightness=0.9")
    clips = read_clips(open_dataset(str(tmp_path / "out")))
    (row,) = clips.frame.to_dict("records")
    assert (row["stage"], row["reason"], row["reached"]) == ("screen", "too_dark", "encode")
    assert row[f"{SCORE}jitter"] > 0
    assert clips.get_limit("screen.min_brightness") == 0.9


def test_without_a_ledger_the_index_and_the_outcomes_make_the_table(copied: Path) -> None:
    whole = read_clips(open_dataset(str(copied))).frame.set_index("clip_id")
    shutil.rmtree(copied / "ledger")
    clips = read_clips(open_dataset(str(copied)))
    assert not clips.complete and clips.stage_thresholds == ()
    rows = clips.frame.set_index("clip_id")
    assert list(rows.index) == list(whole.index)
    for name in ("outcome", "stage", "reason", "uri", "start_s", "end_s"):
        assert (rows[name] == whole[name]).all(), name
    kept = rows.index[rows["outcome"] == "kept"]
    assert (rows.loc[kept, f"{SCORE}jitter"] == whole.loc[kept, f"{SCORE}jitter"]).all()
    assert (rows.loc[kept, "caption"] == whole.loc[kept, "caption"]).all()
    lost = rows.index[rows["outcome"] != "kept"]
    assert all(math.isnan(v) for v in rows.loc[lost, f"{SCORE}jitter"])
    assert rows.loc[kept, "duration_s"].tolist() == pytest.approx(whole.loc[kept, "duration_s"].tolist())
