"""A data set in an object store: everything that works in a folder works there, and costs what it should."""

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
from pipelines.jobs.explore import explorer
from pipelines.jobs.report import report
from pipelines.jobs.reselect import reselect
from pipelines.samples.film import write_film
from shards.reader import open_dataset
from shards.verify import verify
from tests.builds import SETTINGS, Quiet, config, film, run
from tests.s3_server import S3Server


def shas(location: str | Path) -> dict[str, str]:
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
    build(config(), str(few), out, Quiet())
    run(few, tmp_path / "local")
    assert shas(out) == shas(tmp_path / "local") != {}
    assert verify(out, deep=False) == []

    again = Quiet()
    s3.reset()
    assert not build(config(), str(few), out, again).worked and not again.works
    assert s3.count().requests < 40  # names and documents alone

    write_film(film("reach", seed=9), few / "z_new.mp4")
    more = Quiet()
    build(config(), str(few), out, more)
    assert more.works["ingest"] == 1
    run(few, tmp_path / "local")
    assert shas(out) == shas(tmp_path / "local")
    assert verify(out, deep=False) == []

    least = min(r["person_height"] for r in open_dataset(out).index_rows(["person_height"]))
    tight = Quiet()
    s3.reset()
    reselect(config(f"track.min_person_height={least + 1e-3}"), out, f"{bucket}/tight", tight)
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
        build(config(), str(folder), out, Quiet())
    finally:
        os.environ.clear()
        os.environ.update(before)
    return out


def test_the_report_lies_in_the_store(stored: str, s3: S3Server) -> None:
    page = report(stored, None, lambda _: None)
    assert str(page) == f"{stored}/report/index.html"
    assert b"<html" in open_store(stored).read("report/index.html")


def test_the_explorer_shows_kept_and_dropped_clips(stored: str, s3: S3Server, tmp_path: Path) -> None:
    web = TestClient(explorer(stored, tmp_path), headers={"Host": "127.0.0.1:80"}, base_url="http://127.0.0.1:80")
    rows = web.post("/api/clips", json={}).json()["rows"]
    assert {row["outcome"] for row in rows} == {"kept", "rejected"}
    for row in rows:
        video = web.get(f"/media/{row['clip_id']}.mp4", headers={"Range": "bytes=0-99"})
        assert (video.status_code, len(video.content)) == (206, 100)
    kept = next(row["clip_id"] for row in rows if row["outcome"] == "kept")
    assert web.post("/api/mark", json={"clip_id": kept, "mark": "bad", "why": ""}).status_code == 200
    assert kept in open_store(stored).read("marks.jsonl").decode()


def test_a_training_run_can_be_tried_dry(stored: str, s3: S3Server) -> None:
    lines = dry_run(load_train_config("tiny", []), stored).lines
    assert "1 of 1 samples train" in lines[0]


def test_refused_credentials_are_one_line_and_nothing_is_written(few: Path, s3: S3Server) -> None:
    out = f"{s3.make_bucket('refused')}/set"
    s3.fail_next(1000, status=403)
    with pytest.raises(UserError, match="AWS_ACCESS_KEY_ID") as caught:
        build(config(), str(few), out, Quiet())
    assert "\n" not in str(caught.value)


def test_two_builds_of_one_address_do_not_meet(few: Path, s3: S3Server) -> None:
    from humove.storage import lock_store

    out = f"{s3.make_bucket('locked')}/set"
    with lock_store(open_store(out)), pytest.raises(UserError, match="a build on .* is running there; wait for it"):
        build(config(), str(few), out, Quiet())
