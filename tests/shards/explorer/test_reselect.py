"""`humove reselect` with a saved selection gives the clips that the explorer predicts."""

import shlex
from pathlib import Path

import pytest
import yaml
from starlette.testclient import TestClient

from pipelines.config import load_config
from pipelines.jobs.reselect import reselect
from shards.clips_table import read_clips
from shards.explorer.app import make_app
from shards.explorer.media import ShardMedia
from shards.reader import open_dataset
from tests.builds import CountingReporter


@pytest.fixture
def explorer(measured: Path, tmp_path: Path) -> TestClient:
    dataset = open_dataset(str(measured))
    app = make_app(dataset=dataset, clips=read_clips(dataset), media=[ShardMedia(dataset)],
                   labels=tmp_path / "labels.jsonl", selections=tmp_path / "selections")  # fmt: skip
    return TestClient(app, base_url="http://127.0.0.1:8765")


def test_unchanged_thresholds_give_the_data_set(explorer: TestClient, measured: Path) -> None:
    doc, found = open_dataset(str(measured)).doc, explorer.post("/api/select", json={}).json()
    for row in found["funnel"]:
        counts = doc.counts[row["stage"]]
        assert (row["inputs"], row["emitted"], row["rejected"], row["faulted"], row["open"]) == (
            counts.inputs, counts.emitted, counts.rejected, counts.faulted, 0,
        )  # fmt: skip
    assert found["kept"] == found["kept_in_build"] > 0 == found["newly_rejected"] == found["newly_kept"]


def test_reselect_keeps_the_predicted_clips(explorer: TestClient, measured: Path, tmp_path: Path) -> None:
    kept = {"filters": [{"column": "outcome", "op": "=", "value": "kept"}], "sort": [{"column": "mean_confidence"}]}
    rows = explorer.post("/api/clips", json=kept).json()["rows"]
    between = (rows[0]["scores"]["mean_confidence"] + rows[1]["scores"]["mean_confidence"]) / 2
    thresholds = {"quality.min_confidence": between, "screen.min_short_side": 200}
    predicted = explorer.post("/api/select", json={"thresholds": thresholds}).json()
    assert predicted["newly_rejected"] >= 1 and predicted["open"] == 0
    now = {"thresholds": thresholds, "filters": [{"column": "now", "op": "=", "value": "kept"}]}
    keys = [row["clip_id"] for row in explorer.post("/api/clips", json=now).json()["rows"]]

    saved = explorer.post("/api/selection", json={"thresholds": thresholds, "name": "stricter"}).json()
    command = shlex.split(saved["command"])
    assert command[:2] == ["humove", "reselect"] and command[2] == str(measured) and saved["path"] in command
    assert yaml.safe_load(Path(saved["path"]).read_text())["quality"]["min_confidence"] == between

    quiet = CountingReporter()
    reselect(load_config(saved["path"], ["execution.workers=1"]), measured, tmp_path / "out", quiet)
    made = open_dataset(str(tmp_path / "out"))
    assert quiet.works["annotate"] == 0
    assert sorted(made.keys()) == sorted(keys) and len(made) == predicted["kept"]
    assert (
        made.doc.counts["quality"].rejected
        == next(r for r in predicted["funnel"] if r["stage"] == "quality")["rejected"]
    )


def test_a_rejected_clip_lists_its_thresholds(explorer: TestClient) -> None:
    request = {"filters": [{"column": "outcome", "op": "=", "value": "rejected"}]}
    (row, *_) = explorer.post("/api/clips", json=request).json()["rows"]
    page = explorer.get(f"/api/clip/{row['clip_id']}").json()
    stages = {entry["stage"]: entry for entry in page["stages"]}
    assert list(stages)[:5] == ["ingest", "scan", "split", "clip", "screen"] and list(stages)[-1] == "near_duplicates"
    end = stages[row["stage"]]
    assert (end["outcome"], end["reason"], end["detail"]) == ("rejected", row["reason"], row["detail"])
    assert end["score"] is not None and any(not threshold["met"] for threshold in end["thresholds"])
    assert [entry["outcome"] for entry in page["stages"]][-1] == "not run"
    assert explorer.get(f"/api/clip/{row['clip_id']}/motion").status_code == 404
