"""All scores are stored and nothing is dropped; thresholds are applied later, without annotators."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from humove.video.encode import EncodeConfig, encode_clip
from humove.video.frames import ArrayFrames
from pipelines.config import make_config
from pipelines.engine.plan import Plan
from pipelines.jobs.reselect import reselect
from shards.clips_table import SCORE, read_clips
from shards.reader import open_dataset
from shards.report.drawing.figures import compute_report_figures
from shards.verify import verify
from tests.annotators.laion import tiny_clip
from tests.builds import CountingReporter, load_test_config, render_film, run_build

HEAD = np.array([4.0, -2.0, 1.0, 0.0, 0.0, 0.0, 0.5, 0.0])


def write_video(motion: str, path: Path, words: str = "") -> None:
    """Write a rendered person, with a line of text over the floor."""
    rendered = render_film(motion, seed=len(words) + 1)
    frames = [rendered.read_rgb(k).copy() for k in range(len(rendered))]
    for image in frames:
        cv2.putText(image, words, (14, rendered.height - 16), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (0, 0, 0), 6, cv2.LINE_AA)
        cv2.putText(image, words, (14, rendered.height - 16), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (255,) * 3, 2, cv2.LINE_AA)
    whole = (0, 0, rendered.width, rendered.height)
    encode_clip(ArrayFrames(frames, rendered.fps), whole, rendered.width, rendered.height, path, EncodeConfig())


@pytest.fixture(scope="module")
def scored(tmp_path_factory) -> Path:
    """Two videos, one with burnt-in text, built with every score and no threshold; then the weights are gone."""
    root = tmp_path_factory.mktemp("scored")
    (root / "videos").mkdir()
    write_video("wave", root / "videos" / "bare.mp4")
    write_video("wave", root / "videos" / "text.mp4", "Follow for more dances")
    clip = tiny_clip.save_transformers(root / "clip")
    head = tiny_clip.save_linear_head(root / "head.pth", HEAD, 5.0)
    run_build(
        root / "videos", root / "all", "score_only=true", "crop.mode='off'", "dedup.near=off",
        "aesthetic.annotator=laion",
        f"aesthetic.laion.clip.path={clip}", f"aesthetic.laion.head.path={head}", "track.min_person_height=0.99",
    )  # fmt: skip
    shutil.rmtree(clip)
    head.unlink()
    return root


def read_settings(root: Path) -> dict:
    return open_dataset(str(root / "all")).doc.config


def read_uris(out: Path) -> set[str]:
    return {meta["uri"] for meta in open_dataset(str(out)).iterate_metas()}


def test_every_score_is_stored_and_nothing_is_dropped(scored: Path) -> None:
    dataset = open_dataset(str(scored / "all"))
    metas = {meta["uri"]: meta for meta in dataset.iterate_metas()}
    assert set(metas) == {"bare.mp4", "text.mp4"}  # though no person is 0.99 of the frame tall
    wanted = {"technical_quality", "detail", "blockiness", "noise", "contrast", "text_share", "watermark_share",
              "aesthetic", "person_height", "jitter", "sharpness"}  # fmt: skip
    for meta in metas.values():
        assert wanted <= meta["scores"].keys()
        assert 0 < meta["scores"]["aesthetic"] < 10
        (rendered,) = [a for a in meta["annotators"] if a["name"] == "aesthetic.laion"]
        assert {w["name"] for w in rendered["weights"]} == {"aesthetic.laion.clip", "aesthetic.laion.head"}
        assert all(len(w["sha256"]) == 64 for w in rendered["weights"])
    assert metas["bare.mp4"]["scores"]["text_share"] == 0 < 0.01 < metas["text.mp4"]["scores"]["text_share"] < 0.1
    rows = {row["uri"]: row for row in dataset.iterate_index_rows(["uri", "text_share", "aesthetic"])}
    assert rows["text.mp4"]["text_share"] == pytest.approx(metas["text.mp4"]["scores"]["text_share"])
    clips = read_clips(dataset)
    assert SCORE + "aesthetic" in clips.frame and clips.frame["cpu.frame_quality"].gt(0).all()
    assert {"frame_quality.max_text_share", "aesthetic.min_score"} <= {
        threshold.setting for threshold in clips.thresholds
    }
    assert verify(str(scored / "all"), deep=False) == []


def test_later_thresholds_need_no_annotator_and_no_weights(scored: Path, tmp_path: Path) -> None:
    quiet = CountingReporter()
    strict = make_config(
        read_settings(scored), ["score_only=false", "track.min_person_height=0.1", "frame_quality.max_text_share=0.005"]
    )
    reselect(strict, scored / "all", tmp_path / "strict", quiet)
    assert sum(quiet.works[stage] for stage in ("ingest", "scan", "split", "annotate")) == 0
    assert read_uris(tmp_path / "strict") == {"bare.mp4"}
    (row,) = [r for r in open_dataset(str(tmp_path / "strict")).iterate_outcomes() if r.outcome == "rejected"]
    assert (row.uri, row.stage, row.reason, row.threshold) == ("text.mp4", "frame_quality", "burnt_in_text", 0.005)
    assert verify(str(tmp_path / "strict"), deep=False) == []
    scores = {m["uri"]: m["scores"]["aesthetic"] for m in open_dataset(str(scored / "all")).iterate_metas()}
    between = sum(scores.values()) / 2
    pretty = make_config(
        read_settings(scored), ["score_only=false", "track.min_person_height=0.1", f"aesthetic.min_score={between}"]
    )
    reselect(pretty, scored / "all", tmp_path / "pretty", CountingReporter())
    assert read_uris(tmp_path / "pretty") == {max(scores, key=scores.get)}
    (row,) = [r for r in open_dataset(str(tmp_path / "pretty")).iterate_outcomes() if r.outcome == "rejected"]
    assert (row.stage, row.reason) == ("aesthetic", "low_aesthetic")


def test_the_report_shows_the_scores_with_their_thresholds(scored: Path) -> None:
    dataset = open_dataset(str(scored / "all"))
    figures = compute_report_figures(dataset, read_clips(dataset), lambda _: None)
    assert figures["scores"]["text_share"]["bar"]["setting"] == "frame_quality.max_text_share"
    assert figures["scores"]["aesthetic"]["kept"]["count"] == 2
    assert [s for s in figures["funnel"]["stages"] if s in ("frame_quality", "aesthetic")] == [
        "frame_quality",
        "aesthetic",
    ]
    assert figures["funnel"]["law"]["holds"]


def test_measurements_under_a_former_name_of_a_step_are_used(scored: Path, tmp_path: Path, capsys) -> None:
    old = tmp_path / "all"
    shutil.copytree(scored / "all", old)
    (old / "dataset.json").write_text((old / "dataset.json").read_text().replace('"frame_quality"', '"picture"'))
    for path in (old / "ledger" / "state").rglob("clips-*.parquet"):
        table = pq.read_table(path)
        names = [name.replace("frame_quality", "picture") for name in table.column_names]
        assert "key.picture" in names
        pq.write_table(table.rename_columns(names), path)
    settings = read_settings(tmp_path)
    assert "picture" in settings
    reporter = CountingReporter()
    reselect(make_config(settings, ["frame_quality.max_text_share=0.005"]), old, tmp_path / "strict", reporter)
    assert reporter.works["annotate"] == 0 and capsys.readouterr().err == ""
    assert verify(str(tmp_path / "strict"), deep=False) == []


def test_another_frame_quality_setting_measures_nothing_else_again() -> None:
    before, after = (
        Plan.from_config(load_test_config()).step_keys,
        Plan.from_config(load_test_config("frame_quality.places=6")).step_keys,
    )
    assert {name for name in before if before[name] != after[name]} == {"frame_quality"}
    cropped = Plan.from_config(load_test_config("crop.mode='off'")).step_keys
    assert {"frame_quality", "pose2d", "encode"} <= {name for name in before if before[name] != cropped[name]}
    assert cropped["track"] == before["track"]
