"""Captions and categories of a served model through a whole build: storage, rejection, requests."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from humove.errors import UserError
from pipelines.jobs.build import BuildResult
from pipelines.jobs.reselect import reselect
from shards.clips_table import read_clips
from shards.reader import open_dataset
from shards.verify import verify
from tests.annotators.endpoint.conftest import GOOD, MODEL, says, server  # noqa: F401 - a fixture
from tests.builds import CountingReporter, load_test_config


def reselect_set(built: Path, out: Path, *overrides: str) -> tuple[BuildResult, CountingReporter]:
    quiet = CountingReporter()
    return reselect(load_test_config("execution.workers=1", *overrides), built, out, quiet), quiet


def list_settings(server, *more: str) -> list[str]:  # noqa: F811
    section = "caption.endpoint"
    return [
        "caption.annotator=endpoint", f"{section}.server.url={server.url}", f"{section}.model={MODEL}",
        f"{section}.server.backoff_s=0.01", f"{section}.server.retries=1", f"{section}.frames=2",
        f"{section}.licence=Apache-2.0", *more,
    ]  # fmt: skip


@pytest.fixture
def captioned(built: Path, server, tmp_path: Path) -> Path:  # noqa: F811
    reselect_set(built, tmp_path / "captioned", *list_settings(server, "category.sources=[manifest, model, folder]",
                                                 "caption.endpoint.category=true"))  # fmt: skip
    return tmp_path / "captioned"


def test_every_sample_has_the_caption_and_name_of_the_model(captioned: Path, built: Path, server) -> None:  # noqa: F811
    samples = list(open_dataset(str(captioned)).iterate_samples())
    assert len(samples) == len(server.requests) == len(list(open_dataset(str(built)).iterate_samples())) > 1
    for sample in samples:
        caption = {name: GOOD[name] for name in ("appearance", "background", "action", "full")}
        assert sample.meta["captions"] == {**caption, "source": f"endpoint:{MODEL}"}
        assert sample.meta["category"] == {"major": "Ball Sports", "fine": "Golf", "source": "model"}
        assert sample.meta["scores"]["caption_words"] == 14 and sample.meta["scores"]["caption_refused"] == 0
        record = next(a for a in sample.meta["annotators"] if a["name"] == "caption.endpoint")
        assert (record["model"], record["licence"]) == (MODEL, "Apache-2.0")
    assert verify(str(captioned)) == []
    assert server.url not in (captioned / "dataset.json").read_text()
    clips = read_clips(open_dataset(str(captioned)))
    kept = clips.frame[clips.frame["outcome"] == "kept"]
    assert set(kept["category"]) == {"Ball Sports/Golf"} and set(kept["score.caption_words"]) == {14.0}
    assert [threshold.setting for threshold in clips.thresholds if threshold.setting.startswith("caption.")][:2] == [
        "caption.max_refusal",
        "caption.min_words",
    ]


def test_other_thresholds_and_sources_send_no_request(captioned: Path, server, tmp_path: Path) -> None:  # noqa: F811
    asked = len(server.requests)
    other = list_settings(server, "caption.endpoint.category=true")
    reselect_set(captioned, tmp_path / "words", *other, "category.sources=[keywords]", "caption.max_words=14")
    for sample in open_dataset(str(tmp_path / "words")).iterate_samples():
        assert sample.meta["category"] == {"major": "Ball Sports", "fine": "Golf", "source": "keywords"}
    with pytest.raises(UserError):  # nothing is kept, and every clip says why
        reselect_set(captioned, tmp_path / "none", *other, "caption.max_words=13")
    outcomes = pq.read_table(tmp_path / "none" / "outcomes.parquet").to_pylist()
    bad = [row for row in outcomes if row["reason"] == "bad_caption"]
    assert len(bad) == asked
    assert {(r["stage"], r["score"], r["threshold"], r["detail"]) for r in bad} == {
        ("caption", 14.0, 13.0, "a caption of 14 words")
    }
    assert len(server.requests) == asked


def test_a_refusal_drops_the_clip_or_keeps_its_measured_caption(built: Path, server, tmp_path: Path) -> None:  # noqa: F811
    server.good = says("I'm sorry, I can't help with that.")
    with pytest.raises(UserError):
        reselect_set(built, tmp_path / "strict", *list_settings(server))
    assert "bad_caption" in pq.read_table(tmp_path / "strict" / "outcomes.parquet")["reason"].to_pylist()
    asked = len(server.requests)
    reselect_set(tmp_path / "strict", tmp_path / "lenient", *list_settings(server, "caption.max_refusal=1"))
    assert len(server.requests) == asked
    before = {s.key: s.meta["captions"] for s in open_dataset(str(built)).iterate_samples()}
    for sample in open_dataset(str(tmp_path / "lenient")).iterate_samples():
        assert sample.meta["scores"]["caption_refused"] == 1
        assert sample.meta["captions"]["source"] == "kinematics"
        if sample.key in before:
            assert sample.meta["captions"]["action"] == before[sample.key]["action"]


def test_a_server_that_is_down_is_a_one_line_error_and_writes_nothing(built: Path, server, tmp_path: Path) -> None:  # noqa: F811
    settings = [s.replace(server.url, "http://127.0.0.1:1/v1") for s in list_settings(server)]
    with pytest.raises(
        UserError, match="caption.endpoint.server.url: http://127.0.0.1:1/v1/models: .*is the server up"
    ):
        reselect_set(built, tmp_path / "out", *settings)
    assert not (tmp_path / "out" / "dataset.json").exists()


def test_a_broken_server_is_a_fault_and_the_same_command_resumes(built: Path, server, tmp_path: Path) -> None:  # noqa: F811
    server.good = says("not what was asked for")
    with pytest.raises(UserError, match="faulted"):
        reselect_set(built, tmp_path / "out", *list_settings(server))
    server.good = says(json.dumps(GOOD))
    reselect_set(built, tmp_path / "out", *list_settings(server))
    assert {s.meta["captions"]["full"] for s in open_dataset(str(tmp_path / "out")).iterate_samples()} == {GOOD["full"]}


@pytest.mark.extra("vlm")
def test_clip_gives_the_category_of_the_frames(built: Path, tmp_path: Path) -> None:
    from tests.annotators.categories.tiny import tiny_clip

    folder = tiny_clip(tmp_path / "clip", positive="bicycle", negative="horse")
    settings = ["category.sources=[clip, folder]", f"category.clip.weights.path={folder}", "category.min_probability=0"]
    _, quiet = reselect_set(built, tmp_path / "seen", *settings)
    samples = list(open_dataset(str(tmp_path / "seen")).iterate_samples())
    for sample in samples:
        assert sample.meta["category"]["source"] == "clip"
        record = next(a for a in sample.meta["annotators"] if a["name"] == "category.clip")
        assert [w["name"] for w in record["weights"]] == ["category.clip.weights"]
    reselect_set(tmp_path / "seen", tmp_path / "sure", *settings[:2], "category.min_probability=1")
    assert {s.meta["category"]["source"] for s in open_dataset(str(tmp_path / "sure")).iterate_samples()} <= {
        "folder",
        "",
    }
    first, second = (
        {s.key: s.meta["scores"]["category_probability"] for s in open_dataset(str(tmp_path / name)).iterate_samples()}
        for name in ("seen", "sure")
    )
    assert first == second and all(0 < p <= 1 for p in first.values())
