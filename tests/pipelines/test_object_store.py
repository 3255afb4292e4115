"""A data set in an object store: builds, reports and training as in a folder, with few requests."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from echomotion_model.train.config import load_train_config
from echomotion_model.train.dry_run import dry_run
from humove.errors import UserError
from humove.storage import open_store
from pipelines.jobs.build import build
from pipelines.jobs.explore import open_explorer
from pipelines.jobs.report import report
from pipelines.jobs.reselect import reselect
from pipelines.samples.film import write_film
from shards.reader import open_dataset
from shards.verify import verify
from tests.builds import SETTINGS, CountingReporter, load_test_config, render_film, run_build
from tests.s3_server import S3Server


def hash_shards(location: str | Path) -> dict[str, str]:
    store = open_store(location)
    return {e.name: hashlib.sha256(store.read(e.name)).hexdigest() for e in store.list("shards")}


@pytest.fixture
def few(videos: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("squat.mp4", "two shots <b>人.mp4", "empty_room.mp4", "text.mp4"):
        shutil.copy(videos / name, folder)
    return folder


def test_a_killed_build_in_a_store_is_resumed_extended_and_selected_from(
    few: Path, s3: S3Server, tmp_path: Path
) -> None:
    bucket = s3.make_bucket("sets")
    out = f"{bucket}/mine"
    command = [sys.executable, "-m", "humove.cli", "build", str(few), out]
    command += [part for s in (*SETTINGS, "execution.flush_seconds=0.5") for part in ("--set", s)]
    child = subprocess.Popen(
        command, env={**os.environ, **s3.env}, start_new_session=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    store, end = open_store(out), time.monotonic() + 120
    while not store.list("ledger/records") and time.monotonic() < end:
        assert child.poll() is None
        time.sleep(0.1)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    assert not store.exists("dataset.json")
    build(load_test_config(), str(few), out, CountingReporter())
    run_build(few, tmp_path / "local")
    assert hash_shards(out) == hash_shards(tmp_path / "local") != {}
    assert verify(out, deep=False) == []

    again = CountingReporter()
    s3.reset()
    assert not build(load_test_config(), str(few), out, again).worked and not again.works
    assert s3.count().requests < 40  # names and documents alone

    write_film(render_film("reach", seed=9), few / "z_new.mp4")
    more = CountingReporter()
    build(load_test_config(), str(few), out, more)
    assert more.works["ingest"] == 1
    run_build(few, tmp_path / "local")
    assert hash_shards(out) == hash_shards(tmp_path / "local")
    assert verify(out, deep=False) == []

    least = min(r["person_height"] for r in open_dataset(out).iterate_index_rows(["person_height"]))
    tight = CountingReporter()
    s3.reset()
    reselect(load_test_config(f"track.min_person_height={least + 1e-3}"), out, f"{bucket}/tight", tight)
    assert not +tight.works and len(open_dataset(f"{bucket}/tight")) == len(open_dataset(out)) - 1
    assert verify(f"{bucket}/tight", deep=False) == []
    assert not open_store(f"{bucket}/tight").list("ledger/records")


@pytest.fixture(scope="module")
def stored(videos: Path, s3_session: S3Server, tmp_path_factory) -> str:
    """A finished set in a store."""
    folder = tmp_path_factory.mktemp("few")
    for name in ("squat.mp4", "empty_room.mp4"):
        shutil.copy(videos / name, folder)
    before = dict(os.environ)
    os.environ.update(s3_session.env)
    try:
        out = f"{s3_session.make_bucket('stored')}/set"
        build(load_test_config(), str(folder), out, CountingReporter())
    finally:
        os.environ.clear()
        os.environ.update(before)
    return out


def test_the_report_is_written_to_the_store(stored: str, s3: S3Server) -> None:
    page = report(stored, None, lambda _: None)
    assert str(page) == f"{stored}/report/index.html"
    assert b"<html" in open_store(stored).read("report/index.html")


def test_the_explorer_shows_kept_and_dropped_clips(stored: str, s3: S3Server, tmp_path: Path) -> None:
    web = TestClient(open_explorer(stored, tmp_path), headers={"Host": "127.0.0.1:80"}, base_url="http://127.0.0.1:80")
    rows = web.post("/api/clips", json={}).json()["rows"]
    assert {row["outcome"] for row in rows} == {"kept", "rejected"}
    for row in rows:
        video = web.get(f"/media/{row['clip_id']}.mp4", headers={"Range": "bytes=0-99"})
        assert (video.status_code, len(video.content)) == (206, 100)
    kept = next(row["clip_id"] for row in rows if row["outcome"] == "kept")
    assert web.post("/api/label", json={"clip_id": kept, "label": "bad", "reason": ""}).status_code == 200
    assert kept in open_store(stored).read("labels.jsonl").decode()


def test_a_training_dry_run_works(stored: str, s3: S3Server) -> None:
    lines = dry_run(load_train_config("tiny", []), stored).lines
    assert "1 of 1 samples train" in lines[0]


def test_refused_credentials_are_a_one_line_error(few: Path, s3: S3Server) -> None:
    out = f"{s3.make_bucket('refused')}/set"
    s3.fail_next(1000, status=403)
    with pytest.raises(UserError, match="AWS_ACCESS_KEY_ID") as caught:
        build(load_test_config(), str(few), out, CountingReporter())
    assert "\n" not in str(caught.value)


def test_a_second_build_of_one_address_is_refused(few: Path, s3: S3Server) -> None:
    from humove.storage import lock_store

    out = f"{s3.make_bucket('locked')}/set"
    with lock_store(open_store(out)), pytest.raises(UserError, match="a build on .* is running there; wait for it"):
        build(load_test_config(), str(few), out, CountingReporter())
