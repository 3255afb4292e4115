"""A data set on an object store: read, verified, reported and explored with few requests."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.testclient import TestClient

from humove.errors import UserError
from humove.storage import Store
from humove.types import Sample
from shards.card.text import render_card
from shards.clips_table import read_clips
from shards.explorer.app import make_app
from shards.explorer.media import ShardMedia
from shards.reader import open_dataset
from shards.report.build import build_report, read_figures
from shards.report.diff import compare_datasets
from shards.verify import verify
from tests.s3_server import S3Server
from tests.shards.parts import split_tables, upload


@pytest.fixture
def local(built: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(built, tmp_path / "local"))
    split_tables(folder, {"index": [1, 3], "outcomes": [5, 7]})
    return folder


@pytest.fixture
def stored(local: Path, s3: S3Server, tmp_path: Path) -> Store:
    """The set of four samples, in a bucket of its own, its tables in parts."""
    store = upload(local, f"{s3.make_bucket('sets')}/{tmp_path.name}/set")
    s3.reset()
    return store


def list_shard_reads(s3: S3Server) -> list:
    return s3.requests(path=r"\.tar")


def test_a_sample_by_its_key_costs_one_request_of_its_bytes(stored: Store, samples: list[Sample], s3: S3Server) -> None:
    dataset = open_dataset(stored.location)
    keys = dataset.keys()
    assert s3.requests("HEAD") == [] and len(s3.requests()) == 3, "the document and the two parts of the index"
    for key, sample in zip(keys, samples, strict=True):
        s3.reset()
        got = dataset.get(key)
        assert (got.mp4, got.meta) == (sample.mp4, sample.meta)
        assert [one.method for one in s3.requests()] == ["GET"]
        place = dataset.find_sample(key)
        assert s3.count().bytes_out == place.size
        s3.reset()
        assert dataset.read_mp4(key) == sample.mp4
        assert (s3.count().requests, s3.count().bytes_out) == (1, len(sample.mp4))


def test_all_samples_cost_each_shard_once(stored: Store, samples: list[Sample], s3: S3Server) -> None:
    dataset = open_dataset(stored.location)
    assert [got.key for got in dataset.iterate_samples()] == [sample.key for sample in samples]
    assert sum(one.bytes_out for one in list_shard_reads(s3)) <= sum(row.bytes for row in dataset.doc.shards)
    assert len(list_shard_reads(s3)) == 3


def test_the_documents_cost_no_video(stored: Store, samples: list[Sample], s3: S3Server) -> None:
    dataset = open_dataset(stored.location)
    assert list(dataset.iterate_metas()) == [sample.meta for sample in samples]
    assert len(list_shard_reads(s3)) == 4
    assert sum(one.bytes_out for one in list_shard_reads(s3)) <= 4 * (16 << 10)


def test_a_long_document_is_found_too(make: SimpleNamespace, tmp_path: Path, s3: S3Server) -> None:
    samples = make.samples()
    samples[1].meta["captions"]["background"] = "x" * 40_000
    make.dataset(tmp_path / "set", samples, make.outcomes(samples))
    store = upload(tmp_path / "set", f"{s3.make_bucket('sets')}/{tmp_path.name}/long")
    assert [meta["captions"]["background"] for meta in open_dataset(store).iterate_metas()][1] == "x" * 40_000


def test_the_card_is_the_same(stored: Store, local: Path) -> None:
    assert render_card(open_dataset(stored)) == render_card(open_dataset(local)) == (local / "README.md").read_text()


def test_verify_checks_all_of_it_there(stored: Store, s3: S3Server) -> None:
    notes: list[str] = []
    assert verify(stored.location, on_note=notes.append) == [] == notes
    assert stored.exists("index.parquet") and stored.exists("outcomes.parquet")
    raw = bytearray(stored.read("shards/train-000001.tar"))
    raw[600] ^= 255
    stored.write("shards/train-000001.tar", bytes(raw))
    stored.delete(["shards/val-000000.tar"])
    stored.write("shards/left.tar", b"")
    found = [str(defect) for defect in verify(stored.location, deep=False, workers=2, on_note=notes.append)]
    assert any("shards/train-000001.tar: sha256 differs" in line for line in found)
    assert any("shards/val-000000.tar: is missing" in line for line in found)
    assert notes == ["shards/left.tar: is not part of the set (dataset.json does not list it)"]


def test_a_truncated_shard_is_a_defect_and_no_crash(stored: Store) -> None:
    stored.write("shards/train-000000.tar", stored.read("shards/train-000000.tar")[:20_000])
    assert any("is not a complete tar" in str(defect) for defect in verify(stored.location, deep=False))
    with pytest.raises(EOFError):
        open_dataset(stored).get(open_dataset(stored).keys()[1])


def test_the_report_is_beside_the_set(stored: Store, local: Path, tmp_path: Path) -> None:
    page = build_report(stored.location)
    assert page == f"{stored.location}/report/index.html"
    true = read_figures(build_report(str(local), tmp_path / "out"))
    found = read_figures(page)
    assert {row["check"] for row in found["shards"]["rows"]} == {"size agrees"}
    for part in ("headline", "funnel", "rights", "motion", "captions", "splits"):
        assert found[part] == true[part], part
    assert b"<img" in stored.read("report/index.html")
    elsewhere = build_report(stored.location, tmp_path / "elsewhere")
    assert elsewhere.read_bytes() == stored.read("report/index.html")


def test_a_report_reads_what_it_shows(stored: Store, samples: list[Sample], s3: S3Server) -> None:
    build_report(stored.location)
    dataset = open_dataset(stored)
    places = [dataset.find_sample(sample.key) for sample in samples]
    without_videos = sum(place.size - place.mp4_bytes for place in places)
    whole = sum(place.size for place in places)
    used = 2 * without_videos + 3 * whole  # documents and motion of all, the images of three sheets
    assert sum(one.bytes_out for one in list_shard_reads(s3)) <= 1.1 * used


def test_two_builds_in_a_store_are_compared(stored: Store, local: Path) -> None:
    difference = compare_datasets(str(local), stored.location)
    assert (difference.added, difference.removed, difference.changed) == ((), (), {})


def test_the_explorer_serves_videos_by_ranged_reads(stored: Store, samples: list[Sample], s3: S3Server) -> None:
    dataset = open_dataset(stored)
    app = make_app(
        dataset=dataset,
        clips=read_clips(dataset),
        media=[ShardMedia(dataset)],
        labels=stored,
        selections=stored.child("selections"),
    )
    client = TestClient(app, base_url="http://127.0.0.1:8765")
    key, mp4 = samples[1].key, samples[1].mp4
    s3.reset()
    assert client.get(f"/media/{key}.mp4").content == mp4
    answer = client.get(f"/media/{key}.mp4", headers={"range": "bytes=100-299"})
    assert (answer.status_code, answer.content) == (206, mp4[100:300])
    assert [one.bytes_out for one in s3.requests()] == [len(mp4), 200]
    assert client.get(f"/media/{key}.jpg").headers["content-type"] == "image/jpeg"
    assert client.get(f"/api/clip/{key}/motion").json()["num_frames"] == samples[1].meta["num_frames"]
    document = client.get("/api/dataset").json()
    assert document["name"] == "set"


def test_labels_and_selections_of_a_stored_set_are_in_the_store(stored: Store, samples: list[Sample]) -> None:
    dataset = open_dataset(stored)
    clips = read_clips(dataset)

    def open_client() -> TestClient:
        places = {"labels": stored, "selections": stored.child("selections")}
        app = make_app(dataset=dataset, clips=clips, media=[ShardMedia(dataset)], **places)
        return TestClient(app, base_url="http://127.0.0.1:8765", raise_server_exceptions=False)

    one, other = open_client(), open_client()
    first, second = samples[0].key, samples[1].key
    assert one.post("/api/label", json={"clip_id": first, "label": "bad", "reason": "blurry"}).status_code == 200
    assert other.post("/api/label", json={"clip_id": second, "label": "good"}).status_code == 200
    assert other.get("/api/labels").json() == {
        first: {"label": "bad", "reason": "blurry"},
        second: {"label": "good", "reason": ""},
    }
    lines = [json.loads(line) for line in stored.read("labels.jsonl").splitlines()]
    assert [line["clip_id"] for line in lines] == [first, second]
    saved = one.post("/api/selection", json={"name": "strict", "thresholds": {}}).json()
    assert saved["path"] == f"{stored.location}/selections/strict.yaml"
    assert saved["command"].endswith(f"reselect {stored.location} OUT --preset {saved['path']}")
    assert one.post("/api/selection", json={"name": "strict", "thresholds": {}}).status_code == 409


def test_a_missing_set_is_one_line(s3: S3Server) -> None:
    with pytest.raises(UserError, match=r"^s3://none/set: there is no such bucket"):
        open_dataset("s3://none/set")
    with pytest.raises(UserError, match=r"holds no dataset\.json"):
        open_dataset(f"{s3.make_bucket('sets')}/nothing-here")


def test_older_sets_in_a_store_are_read_too(built: Path, samples: list[Sample], s3: S3Server, tmp_path: Path) -> None:
    store = upload(built, f"{s3.make_bucket('sets')}/{tmp_path.name}/older")
    dataset = open_dataset(store.location)
    assert dataset.get(samples[3].key).mp4 == samples[3].mp4
    assert verify(store.location, deep=False) == []
