"""Every score computed and stored, nothing dropped; thresholds afterwards, by a build that runs no annotator."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from humove.video.encode import EncodeConfig, encode
from humove.video.frames import ArrayFrames
from pipelines.config import configured
from pipelines.engine.plan import Plan
from pipelines.jobs.reselect import reselect
from shards.clips import SCORE, read_clips
from shards.reader import open_dataset
from shards.report.figures import figures as figures_of
from shards.verify import verify
from tests.annotators.laion import tiny_clip
from tests.builds import Quiet, config, film, run

HEAD = np.array([4.0, -2.0, 1.0, 0.0, 0.0, 0.0, 0.5, 0.0])


def write(motion: str, path: Path, words: str = "") -> None:
    """A rendered person, with a line of text over the floor."""
    made = film(motion, seed=len(words) + 1)
    frames = [made.rgb(k).copy() for k in range(len(made))]
    for image in frames:
        cv2.putText(image, words, (14, made.height - 16), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (0, 0, 0), 6, cv2.LINE_AA)
        cv2.putText(image, words, (14, made.height - 16), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (255,) * 3, 2, cv2.LINE_AA)
    whole = (0, 0, made.width, made.height)
    encode(ArrayFrames(frames, made.fps), whole, made.width, made.height, path, EncodeConfig())


@pytest.fixture(scope="module")
def scored(tmp_path_factory) -> Path:
    """Two videos, one with burnt-in text, built with every score and no bar; then the weights are gone."""
    root = tmp_path_factory.mktemp("scored")
    (root / "videos").mkdir()
    write("wave", root / "videos" / "bare.mp4")
    write("wave", root / "videos" / "text.mp4", "Follow for more dances")
    clip = tiny_clip.save_transformers(root / "clip")
    head = tiny_clip.save_linear_head(root / "head.pth", HEAD, 5.0)
    run(
        root / "videos", root / "all", "score_only=true", "crop.mode='off'", "dedup.near=off",
        "aesthetic.annotator=laion",
        f"aesthetic.laion.clip.path={clip}", f"aesthetic.laion.head.path={head}", "track.min_person_height=0.99",
    )  # fmt: skip
    shutil.rmtree(clip)
    head.unlink()
    return root


def settings_of(root: Path) -> dict:
    return open_dataset(str(root / "all")).doc.config


def uris(out: Path) -> set[str]:
    return {meta["uri"] for meta in open_dataset(str(out)).metas()}


def test_every_score_is_stored_and_nothing_is_dropped(scored: Path) -> None:
    dataset = open_dataset(str(scored / "all"))
    metas = {meta["uri"]: meta for meta in dataset.metas()}
    assert set(metas) == {"bare.mp4", "text.mp4"}  # though nobody is 0.99 of the picture tall
    wanted = {"technical_quality", "detail", "blockiness", "noise", "contrast", "text_share", "watermark_share",
              "aesthetic", "person_height", "jitter", "sharpness"}  # fmt: skip
    for meta in metas.values():
        assert wanted <= meta["scores"].keys()
        assert 0 < meta["scores"]["aesthetic"] < 10
        (made,) = [a for a in meta["annotators"] if a["name"] == "aesthetic.laion"]
        assert {w["name"] for w in made["weights"]} == {"aesthetic.laion.clip", "aesthetic.laion.head"}
        assert all(len(w["sha256"]) == 64 for w in made["weights"])
    assert metas["bare.mp4"]["scores"]["text_share"] == 0 < 0.01 < metas["text.mp4"]["scores"]["text_share"] < 0.1
    rows = {row["uri"]: row for row in dataset.index_rows(["uri", "text_share", "aesthetic"])}
    assert rows["text.mp4"]["text_share"] == pytest.approx(metas["text.mp4"]["scores"]["text_share"])
    clips = read_clips(dataset)
    assert SCORE + "aesthetic" in clips.frame and clips.frame["cpu.picture"].gt(0).all()
    assert {"picture.max_text_share", "aesthetic.min_score"} <= {bar.setting for bar in clips.bars}
    assert verify(str(scored / "all"), deep=False) == []


def test_thresholds_afterwards_run_no_annotator_and_want_no_weights(scored: Path, tmp_path: Path) -> None:
    quiet = Quiet()
    strict = configured(
        settings_of(scored), ["score_only=false", "track.min_person_height=0.1", "picture.max_text_share=0.005"]
    )
    reselect(strict, scored / "all", tmp_path / "strict", quiet)
    assert sum(quiet.works[stage] for stage in ("ingest", "scan", "split", "annotate")) == 0
    assert uris(tmp_path / "strict") == {"bare.mp4"}
    (row,) = [r for r in open_dataset(str(tmp_path / "strict")).outcomes() if r.outcome == "rejected"]
    assert (row.uri, row.stage, row.reason, row.threshold) == ("text.mp4", "picture", "burnt_in_text", 0.005)
    assert verify(str(tmp_path / "strict"), deep=False) == []
    scores = {m["uri"]: m["scores"]["aesthetic"] for m in open_dataset(str(scored / "all")).metas()}
    between = sum(scores.values()) / 2
    pretty = configured(
        settings_of(scored), ["score_only=false", "track.min_person_height=0.1", f"aesthetic.min_score={between}"]
    )
    reselect(pretty, scored / "all", tmp_path / "pretty", Quiet())
    assert uris(tmp_path / "pretty") == {max(scores, key=scores.get)}
    (row,) = [r for r in open_dataset(str(tmp_path / "pretty")).outcomes() if r.outcome == "rejected"]
    assert (row.stage, row.reason) == ("aesthetic", "low_aesthetic")


def test_the_report_shows_the_scores_with_their_bars(scored: Path) -> None:
    dataset = open_dataset(str(scored / "all"))
    figures = figures_of(dataset, read_clips(dataset), lambda _: None)
    assert figures["scores"]["text_share"]["bar"]["setting"] == "picture.max_text_share"
    assert figures["scores"]["aesthetic"]["kept"]["count"] == 2
    assert [s for s in figures["funnel"]["stages"] if s in ("picture", "aesthetic")] == ["picture", "aesthetic"]
    assert figures["funnel"]["law"]["holds"]


def test_another_picture_setting_measures_nothing_else_again() -> None:
    before, after = Plan.of(config()).step_keys, Plan.of(config("picture.places=6")).step_keys
    assert {name for name in before if before[name] != after[name]} == {"picture"}
    cropped = Plan.of(config("crop.mode='off'")).step_keys
    assert {"picture", "pose2d", "encode"} <= {name for name in before if before[name] != cropped[name]}
    assert cropped["track"] == before["track"]
