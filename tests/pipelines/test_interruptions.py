"""Builds that are killed, whose workers are killed, or whose store fails in the middle."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

import pipelines.jobs.build_loop
from humove.cli import main
from humove.errors import EXIT_NO_SAMPLES, EXIT_TOO_MANY_FAULTS, UserError
from humove.storage import open_store
from pipelines.assembly.pack import Packed, PackJob, PackStage
from pipelines.engine.ledger import Ledger
from pipelines.jobs.build import build
from pipelines.jobs.reselect import reselect
from shards.verify import verify
from tests.builds import SETTINGS, CountingReporter, load_test_config, run_build
from tests.pipelines.inputs.web_server import WebServer
from tests.s3_server import S3Server


def hash_shards(location: str | Path) -> dict[str, str]:
    store = open_store(location)
    return {e.name: hashlib.sha256(store.read(e.name)).hexdigest() for e in store.list("shards")}


@pytest.fixture(scope="module")
def folder(videos: Path, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("folder")
    shutil.copy(videos / "two shots <b>人.mp4", folder / "v.mp4")
    return folder


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory) -> dict[str, str]:
    """The shards of a build of `folder` that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole") / "set"
    run_build(folder, out)
    return hash_shards(out)


def has_measured(out: Path, step: str) -> bool:
    """Whether the ledger holds a record of a step."""
    for path in (out / "ledger" / "records").rglob("*.zip"):
        with suppress(OSError, zipfile.BadZipFile), zipfile.ZipFile(path) as box:
            if f'"{step}"' in box.read("records.json").decode():
                return True
    return False


def wait_for(happened: Callable[[], bool], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "the condition did not become true in time"
        time.sleep(0.02)


def test_a_build_that_is_killed_and_run_again_gives_the_same_shards(folder: Path, whole: dict, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "humove.cli", "build", str(folder), str(out)]
    command += [part for s in (*SETTINGS, "execution.flush_seconds=0.1") for part in ("--set", s)]
    moments = {
        "ingest": lambda: any(out.glob("ledger/*")),
        **{step: lambda step=step: has_measured(out, step) for step in ("scan", "track", "pose2d", "encode")},
    }
    for name, reached in moments.items():  # each time a little further
        child = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda reached=reached, child=child: reached() or child.poll() is not None)
        if name != "encode":
            time.sleep(random.uniform(0, 0.3))
        assert child.poll() is None, name
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        assert not (out / "dataset.json").exists(), name
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert hash_shards(out) == whole
    assert verify(str(out), deep=False) == []


def test_a_build_that_ends_once_its_inputs_are_listed_is_resumed(folder: Path, whole: dict, tmp_path: Path) -> None:
    """A ledger that has batches and no version would be taken for one of an older engine, and refused."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ledger, "write_settings", stop)
        with pytest.raises(KeyboardInterrupt):
            run_build(folder, tmp_path / "set")
    run_build(folder, tmp_path / "set")
    assert hash_shards(tmp_path / "set") == whole
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ledger, "write_settings", stop)
        with pytest.raises(KeyboardInterrupt):
            reselect(load_test_config(), tmp_path / "set", tmp_path / "selected", CountingReporter())
    reselect(load_test_config(), tmp_path / "set", tmp_path / "selected", CountingReporter())
    assert hash_shards(tmp_path / "selected") == whole


def stop(*_: object) -> None:
    raise KeyboardInterrupt


def test_an_interrupt_ends_the_build_at_once_and_it_resumes_later(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "humove.cli", "build", str(folder), str(out)]
    command += ["--set", "execution.flush_seconds=0.1"]
    child = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: has_measured(out, "track"))
    assert child.poll() is None
    for _ in range(2):
        os.killpg(child.pid, signal.SIGINT)
        time.sleep(0.3)
    message = child.communicate(timeout=30)[1]
    assert child.returncode == 130
    assert "interrupted; finished work is kept" in message and "Traceback" not in message
    run_build(folder, out)
    assert verify(str(out), deep=False) == []


class KilledPackStage(PackStage):
    """Ends its worker as the kernel does where memory is short."""

    def process(self, job: PackJob, attempt: int) -> Packed:
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_packing_leaves_committed_batches_unchanged(
    videos: Path, folder: Path, tmp_path: Path, monkeypatch
) -> None:
    mine, out = tmp_path / "videos", tmp_path / "set"
    shutil.copytree(folder, mine)
    run_build(mine, out)
    before = (out / "dataset.json").read_bytes(), hash_shards(out)
    shutil.copy(videos / "squat.mp4", mine)
    with monkeypatch.context() as patch:
        patch.setattr(pipelines.jobs.build_loop, "PackStage", KilledPackStage)
        with pytest.raises(UserError, match=r"could not be written: WorkerDied.*run the same command again") as caught:
            run_build(mine, out)
    assert "\n" not in str(caught.value)
    assert ((out / "dataset.json").read_bytes(), hash_shards(out)) == before
    assert verify(str(out), deep=False) == []
    _, quiet = run_build(mine, out)
    assert not quiet.works["annotate"]
    run_build(mine, tmp_path / "straight")
    assert hash_shards(out) == hash_shards(tmp_path / "straight")


@pytest.mark.parametrize("failing", ["records/", "state/", "shards/", "dataset.json"])
def test_a_store_that_fails_in_the_middle_and_recovers(
    failing: str, folder: Path, whole: dict, s3: S3Server, monkeypatch, capsys
) -> None:
    out = f"{s3.make_bucket('failing')}/before-{failing.rstrip('/')}"
    s3.fail_next(10_000, status=503, request=f"PUT .*/{failing}")
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    monkeypatch.setattr(sys, "argv", ["humove", "build", str(folder), out, *settings])
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        main()
    lines = capsys.readouterr().err.splitlines()
    assert ended.value.code in (EXIT_NO_SAMPLES, EXIT_TOO_MANY_FAULTS), lines
    assert lines[-1].startswith("humove: ") and not any("Traceback" in line for line in lines)
    assert any(request.status == 503 for request in s3.requests("PUT", failing))
    assert not read_listed_shards(out)
    s3.reset()
    build(load_test_config(), str(folder), out, CountingReporter())
    assert hash_shards(out) == whole
    assert verify(out, deep=False) == []


def read_listed_shards(out: str) -> list:
    """The shards that a set lists; none where it is not committed."""
    store = open_store(out)
    return json.loads(store.read("dataset.json"))["shards"] if store.exists("dataset.json") else []


def test_a_remote_video_is_fetched_once(videos: Path, tmp_path: Path) -> None:
    body = (videos / "two shots <b>人.mp4").read_bytes()
    server = WebServer()
    try:
        url = server.serve("/v.mp4", body, etag='"1"')
        listing = tmp_path / "list.csv"
        listing.write_text(f"uri\n{url}\n")
        settings = "execution.unit_seconds=2", "execution.workers=2"
        run_build(listing, tmp_path / "out", *settings)
        assert len(body) <= server.count_sent() <= 1.1 * len(body)
        sent = server.count_sent()
        run_build(listing, tmp_path / "out", *settings)
        assert server.count_sent() == sent
    finally:
        server.close()
