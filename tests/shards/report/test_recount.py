"""report.json against an independent recount from the tars and the Parquet files."""

import io
import json
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from humove.errors import UserError
from shards.buckets import COLUMNS, BucketConfig, count_buckets
from shards.clips_table import read_clips
from shards.reader import open_dataset
from shards.report.drawing.figures import compute_report_figures


@pytest.fixture(scope="module")
def found(built: Path) -> dict:
    dataset = open_dataset(str(built))
    return compute_report_figures(dataset, read_clips(dataset))


@pytest.fixture(scope="module")
def members(built: Path) -> dict[str, dict[str, bytes]]:
    """Every member of every tar."""
    read: dict[str, dict[str, bytes]] = {}
    for path in sorted((built / "shards").glob("*.tar")):
        with tarfile.open(path) as box:
            for entry in box:
                key, _, suffix = entry.name.partition(".")
                read.setdefault(key, {})[suffix] = box.extractfile(entry).read()
    return read


def test_headline_and_splits(built: Path, found: dict, members: dict):
    metas = [json.loads(parts["json"]) for parts in members.values()]
    rate = {"25/1": 25.0, "30000/1001": 30000 / 1001}
    hours = sum(m["num_frames"] / rate[m["fps"]] for m in metas) / 3600
    head = found["headline"]
    assert (head["samples"], head["sources"], head["frames"]) == (4, 3, sum(m["num_frames"] for m in metas))
    assert head["hours"] == pytest.approx(hours, rel=1e-5)
    assert head["bytes"] == sum(path.stat().st_size for path in (built / "shards").glob("*.tar"))
    outcomes = pq.read_table(built / "outcomes.parquet").to_pylist()
    units = Counter(row["unit"] for row in outcomes)
    assert (head["inputs"], head["clips"]) == (units["video"], units["clip"])
    seconds = sum(row["end_s"] - row["start_s"] for row in outcomes if row["unit"] == "video" and row["end_s"])
    assert head["input_hours"] == pytest.approx(seconds / 3600, rel=1e-5)
    groups = found["splits"]["groups"]
    assert {name: (row["samples"], row["videos"]) for name, row in groups.items()} == {
        "train": (3, 2), "val": (1, 1), "test": (0, 0),
    }  # fmt: skip
    assert found["splits"]["shared_videos"] == 0


def test_rights_captions_and_categories(found: dict, members: dict):
    metas = [json.loads(parts["json"]) for parts in members.values()]
    licences = Counter(m["rights"]["licence"] for m in metas)
    assert {name: row["clips"] for name, row in found["rights"]["licences"]["groups"].items()} == dict(licences)
    assert {name: row["clips"] for name, row in found["rights"]["sources"]["groups"].items()} == {"example.org": 4}
    assert (found["rights"]["read"], found["rights"]["consent"]) == (4, 0)
    texts = [parts["txt"].decode() for parts in members.values()]
    assert found["captions"]["distinct"] == len(set(texts))
    lengths = [len([w for w in t.replace("«", " ").replace("»", " ").split() if w[0].isalpha()]) for t in texts]
    assert found["captions"]["words"]["mean"] == pytest.approx(np.mean(lengths))
    assert sum(found["captions"]["words"]["counts"]) == 4
    kinds = Counter(f"{m['category']['major']}/{m['category']['fine']}" for m in metas)
    assert {name: row["samples"] for name, row in found["categories"]["groups"].items()} == dict(kinds)


def test_motion(found: dict, members: dict):
    motion = {key: dict(np.load(io.BytesIO(parts["motion.npz"]))) for key, parts in members.items()}
    valid = np.concatenate([m["valid"] for m in motion.values()])
    figures = found["motion"]
    assert (figures["clips"], figures["frames"], figures["valid_frames"]) == (4, valid.size, valid.sum())
    assert figures["confidence"]["median"] == pytest.approx(
        np.median(np.concatenate([m["confidence"] for m in motion.values()]))
    )
    knee = np.concatenate([np.abs(m["body_pose"][m["valid"], 3, 2]) for m in motion.values()])  # turns about z alone
    high = np.degrees(np.percentile(knee, 99))
    assert figures["joint_degrees"]["left_knee"]["p99"] == pytest.approx(high, rel=1e-4)
    assert figures["facing"] == {"front": 1.0, "side": 0.0, "back": 0.0}, "the test's person faces the camera"
    assert figures["root_speed"]["max"] == pytest.approx(0, abs=1e-4), "and stands in place"
    speeds = []
    for key, m in motion.items():
        around = m["joints"] - m["joints"][:, :1]
        fps = parse_rate(json.loads(members[key]["json"])["fps"])
        step = np.linalg.norm(around[1:, [20, 21, 7, 8]] - around[:-1, [20, 21, 7, 8]], axis=-1).mean(-1) * fps
        speeds.append(step[m["valid"][1:] & m["valid"][:-1]])
    assert figures["limb_speed"]["median"] == pytest.approx(np.median(np.concatenate(speeds)), rel=1e-4)


def parse_rate(text: str) -> float:
    top, _, bottom = text.partition("/")
    return int(top) / int(bottom)


def test_scores_shards_and_training(built: Path, found: dict):
    index = pq.read_table(built / "index.parquet").to_pylist()
    sharp = [row["sharpness"] for row in index]
    kept = found["scores"]["sharpness"]["kept"]
    assert (kept["count"], kept["median"]) == (4, pytest.approx(np.median(sharp)))
    assert sum(kept["counts"]) == 4
    assert found["scores"]["duration_s"]["kept"]["count"] == 4, "a score of the name of a column is still that score"
    rows = {row["name"]: row for row in found["shards"]["rows"]}
    for path in (built / "shards").glob("*.tar"):
        held = [row for row in index if row["shard"] == path.name]
        row = rows[path.name]
        assert (row["samples"], row["index_rows"], row["bytes"]) == (len(held), len(held), path.stat().st_size)
        assert row["check"] == "sound" and row["outliers"] == []
    counted = count_buckets([{name: row[name] for name in COLUMNS} for row in index], BucketConfig())
    assert found["training"]["splits"] == {split: dict(row) for split, row in counted.items()}
    assert found["training"]["used"] + found["training"]["left_out_count"] == 4


def test_the_accounting_invariant(built: Path, found: dict, make, damaged: Path):
    assert found["funnel"]["law"] == {"holds": True, "stages": 3, "broken": []}
    assert found["funnel"]["stages"]["probe"]["reasons"] == {"unreadable": 1}
    assert found["reasons"]["unreadable"]["videos"] == 1 and found["reasons"]["too_dark"]["count"] == 0
    make.edit_doc(damaged, lambda doc: doc["counts"]["split"].update(rejected=1))
    dataset = open_dataset(str(damaged))
    broken = compute_report_figures(dataset, read_clips(dataset))
    assert len(broken["funnel"]["law"]["broken"]) == 2, "the sum, and the recount"
    assert broken["concerns"][0]["level"] == "wrong" and "split: 3 in" in broken["concerns"][0]["text"]


def test_a_damaged_or_missing_shard_is_reported_and_the_rest_is_counted(damaged: Path):
    path = damaged / "shards" / "train-000000.tar"
    raw = bytearray(path.read_bytes())
    raw[2000] ^= 1
    path.write_bytes(raw)
    (damaged / "shards" / "val-000000.tar").unlink()
    dataset = open_dataset(str(damaged))
    found = compute_report_figures(dataset, read_clips(dataset))
    checks = {row["name"]: row["check"] for row in found["shards"]["rows"]}
    assert checks == {"train-000000.tar": "wrong sha256", "train-000001.tar": "sound", "val-000000.tar": "missing"}
    assert (found["rights"]["read"], found["rights"]["of"], found["motion"]["clips"]) == (1, 4, 1)
    assert [c["level"] for c in found["concerns"]][:2] == ["wrong", "wrong"]


def test_a_wrong_index_is_one_line(damaged: Path):
    table = pq.read_table(damaged / "index.parquet")
    column = table.schema.get_field_index("mp4_offset")
    pq.write_table(table.set_column(column, "mp4_offset", pa.array([700] * len(table))), damaged / "index.parquet")
    dataset = open_dataset(str(damaged))
    with pytest.raises(UserError, match="run `humove verify`"):
        compute_report_figures(dataset, read_clips(dataset))
    clips = read_clips(dataset)
    (damaged / "outcomes.parquet").unlink()
    with pytest.raises(UserError, match="has no outcomes.parquet"):
        compute_report_figures(dataset, clips)


def test_the_same_set_gives_the_same_figures(built: Path, found: dict):
    dataset = open_dataset(str(built))
    assert json.dumps(compute_report_figures(dataset, read_clips(dataset))) == json.dumps(found)
