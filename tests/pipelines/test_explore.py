"""The explorer against the build: its verdicts equal those of a reselection."""

import fcntl
import json
import shutil
from pathlib import Path

import pytest
import yaml
from starlette.testclient import TestClient

from humove.errors import UserError
from pipelines.config import load_config
from pipelines.jobs.explore import open_explorer
from pipelines.jobs.reselect import reselect
from shards.clips_table import read_clips
from shards.reader import open_dataset
from tests.builds import CountingReporter, load_test_config, run_build

WEB = {"headers": {"Host": "127.0.0.1:80"}, "base_url": "http://127.0.0.1:80"}


def make_client(path: Path, scratch: Path) -> TestClient:
    return TestClient(open_explorer(path, scratch), **WEB)


def post_json(web: TestClient, path: str, **body: object) -> dict:
    answer = web.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    "thresholds",
    [
        {},
        {"quality.max_jitter": 1.0},
        {"screen.min_brightness": 0.4, "quality.min_confidence": 0.5},
        {"screen.min_sharpness": 1.0},
        {"track.min_person_share": 0.0, "track.max_second_person_share": 1.0},
        {"track.min_person_height": 0.9, "quality.max_mirror_disagreement_mm": 30},
        {"frame_quality.min_technical_quality": 0.99, "frame_quality.max_text_share": 0.0},
    ],
)
def test_verdicts_equal_those_of_a_reselection(copied: Path, tmp_path: Path, thresholds: dict[str, float]) -> None:
    web = make_client(copied, tmp_path)
    response = post_json(web, "/api/select", thresholds=thresholds)
    saved = post_json(web, "/api/selection", thresholds=thresholds, name="mine")
    preset = Path(saved["path"])
    assert preset.parent == copied / "selections" and str(preset) in saved["command"]
    again = web.post("/api/selection", json={"thresholds": {}, "name": "mine"})
    assert again.status_code == 409 and "mine.yaml exists" in again.json()["error"]
    quiet = CountingReporter()
    try:
        reselect(load_config(str(preset), ["execution.workers=2"]), copied, tmp_path / "out", quiet)
    except UserError as error:  # nothing was kept
        assert response["kept"] == 0 and "no sample was kept" in str(error)
    built = open_dataset(str(tmp_path / "out"))
    doc = json.loads((tmp_path / "out" / "dataset.json").read_text())
    clips = read_clips(built).frame
    assert response["open"] == 0 and quiet.works["annotate"] == 0
    assert (clips["outcome"] == "kept").sum() == response["kept"]
    assert clips.loc[clips["outcome"] == "rejected", "reason"].value_counts().to_dict() == response["reasons"]
    for row in response["funnel"]:
        if row["stage"] in doc["counts"]:
            counts = doc["counts"][row["stage"]]
            assert {name: row[name] for name in counts} == counts, row["stage"]


def test_clips_that_were_never_annotated_are_open(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    for name in ("squat.mp4", "empty_room.mp4", "two shots <b>人.mp4"):
        shutil.copy(videos / name, tmp_path / "videos")
    with pytest.raises(UserError, match="no sample was kept"):
        run_build(tmp_path / "videos", tmp_path / "strict", "screen.min_brightness=0.99")
    web = make_client(tmp_path / "strict", tmp_path)
    loose = {"screen.min_brightness": 0.06}
    response = post_json(web, "/api/select", thresholds=loose)
    open_ones = {"thresholds": loose, "filters": [{"column": "now", "op": "=", "value": "open"}]}
    listed = {row["clip_id"] for row in post_json(web, "/api/clips", **open_ones)["rows"]}
    assert response["kept"] == 0 and response["open"] == len(listed) > 1
    quiet = CountingReporter()
    reselect(load_test_config("screen.min_brightness=0.06"), tmp_path / "strict", tmp_path / "out", quiet)
    clips = read_clips(open_dataset(str(tmp_path / "out"))).frame
    assert quiet.works["annotate"] > 0
    assert set(clips.loc[clips["reached"] != "screen", "clip_id"]) == listed


def test_labels_from_the_page_filter_the_next_build(copied: Path, tmp_path: Path) -> None:
    first, *_ = keys = open_dataset(str(copied)).keys()
    post_json(make_client(copied, tmp_path), "/api/label", clip_id=first, label="bad", reason="feet cut off")
    reselect(load_test_config(f"labels.file={copied / 'labels.jsonl'}"), copied, tmp_path / "out", CountingReporter())
    assert set(open_dataset(str(tmp_path / "out")).keys()) == set(keys) - {first}


def test_a_dropped_clip_is_shown_from_its_source(copied: Path, tmp_path: Path) -> None:
    clips = read_clips(open_dataset(str(copied))).frame
    dropped = clips.loc[clips["uri"] == "empty_room.mp4", "clip_id"].iloc[0]
    web = make_client(copied, tmp_path)
    video = web.get(f"/media/{dropped}.mp4", headers={"Range": "bytes=0-99"})
    assert (video.status_code, len(video.content)) == (206, 100) and video.content[4:8] == b"ftyp"
    assert web.get(f"/media/{dropped}.jpg").content[:2] == b"\xff\xd8"
    assert web.get(f"/api/clip/{dropped}/motion").status_code == 404


def test_an_unfinished_build_is_shown(copied: Path, tmp_path: Path) -> None:
    (copied / "dataset.json").unlink()
    web = make_client(copied, tmp_path)
    response = web.get("/api/dataset").json()
    assert response["building"] and not response["running"] and response["num_clips"] > 0
    funnel = post_json(web, "/api/select")
    assert (funnel["kept"], funnel["newly_rejected"], funnel["newly_kept"]) == (response["num_kept"], 0, 0)
    kept = post_json(web, "/api/clips", filters=[{"column": "outcome", "op": "=", "value": "kept"}])["rows"]
    assert web.get(f"/media/{kept[0]['clip_id']}.mp4").status_code == 200
    assert web.get(f"/api/clip/{kept[0]['clip_id']}/motion").json()["num_frames"] > 0


def test_a_reloaded_page_shows_the_progress_of_the_build(copied: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("pipelines.jobs.explore._PAUSE_S", 0)
    commit = (copied / "dataset.json").read_bytes()
    (copied / "dataset.json").unlink()
    batch = copied / "ledger" / "batches" / "000000.jsonl"
    lines = batch.read_text().splitlines(keepends=True)
    batch.write_text("".join(lines[:1]))
    web = make_client(copied, tmp_path)
    first = web.get("/api/dataset").json()["num_clips"]
    batch.write_text("".join(lines))
    with (copied / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        response = web.get("/api/dataset").json()
    assert response["num_clips"] > first and response["building"] and response["running"]
    (copied / "dataset.json").write_bytes(commit)
    response = web.get("/api/dataset").json()
    assert not response["building"] and not response["running"]


def test_a_run_is_shown_and_other_folders_are_a_one_line_error(tmp_path: Path) -> None:
    (tmp_path / "run" / "validation" / "10").mkdir(parents=True)
    (tmp_path / "run" / "metrics.jsonl").write_text('{"step": 1, "loss": 2.5}\n{"step": 2, "loss": 2.0}\n{"st')
    assert make_client(tmp_path / "run", tmp_path).get("/api/runs").json()["curves"] == {"loss": [[1, 2.5], [2, 2.0]]}
    with pytest.raises(UserError, match="holds no data set"):
        open_explorer(tmp_path, tmp_path)


def test_invalid_thresholds_are_not_saved(copied: Path, tmp_path: Path) -> None:
    web = make_client(copied, tmp_path)
    answer = web.post("/api/selection", json={"thresholds": {"screen.min_brightness": 999}, "name": "none"})
    assert answer.status_code == 400
    assert answer.json()["error"] == "screen.min_brightness is 999; it must be between 0 and 1"
    assert not (copied / "selections").exists()


def test_the_saved_selection_is_a_complete_preset(copied: Path, tmp_path: Path) -> None:
    saved = post_json(
        make_client(copied, tmp_path), "/api/selection", thresholds={"screen.min_short_side": 100}, name="low"
    )
    settings = yaml.safe_load(Path(saved["path"]).read_text())
    assert settings["screen"]["min_short_side"] == 100
    assert load_config(saved["path"], []).get_data_settings() == {
        **open_dataset(str(copied)).doc.config, "screen": settings["screen"],
    }  # fmt: skip
