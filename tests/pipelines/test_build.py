"""A build from raw videos to verified shards, and its promises: resume, identity, adding, changed settings."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from humove.errors import EXIT_NO_SAMPLES, UserError
from pipelines.reselect import reselect
from pipelines.samples.film import write_film
from shards.reader import open_dataset
from shards.verify import verify
from tests.builds import SETTINGS, Quiet, config, film, run


def shas(out: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted((out / "shards").glob("*.tar"))}


def ends(out: Path) -> dict[str, set[tuple[str, str]]]:
    """For each uri the (outcome, reason) of its rows."""
    found: dict[str, set[tuple[str, str]]] = {}
    for row in open_dataset(str(out)).outcomes():
        found.setdefault(row.uri, set()).add((row.outcome, row.reason))
    return found


def test_the_data_set_is_sound_and_says_what_became_of_every_input(built: Path) -> None:
    assert verify(str(built)) == []
    rows = ends(built)
    for kept in ("Daily Activity/wave.mp4", "squat.mp4", "two shots <b>人.mp4"):
        assert ("kept", "") in rows[kept]
    assert rows["squat_copy.mp4"] == {("rejected", "duplicate")}
    assert rows["truncated.mp4"] & {("rejected", "truncated"), ("rejected", "unreadable")}
    assert rows["text.mp4"] == {("rejected", "unreadable")}
    assert ("rejected", "no_person") in rows["empty_room.mp4"]


def test_a_sample_carries_its_source_its_makers_and_its_scores(built: Path) -> None:
    sample = next(s for s in open_dataset(str(built)).samples() if s.meta["uri"].startswith("Daily"))
    meta = sample.meta
    assert meta["category"] == {"major": "General & Others", "fine": "Daily Activity", "source": "folder"}
    assert {a["name"] for a in meta["annotators"]} >= {"tracks.blazepose", "motion.landmark_fit"}
    assert {"sharpness", "person_share", "reprojection_pct", "jitter"} <= meta["scores"].keys()
    assert sample.motion.cam_intrinsics[0, 2] < meta["width"]


def test_a_finished_build_has_nothing_to_do(videos: Path, built: Path) -> None:
    before = (built / "dataset.json").stat().st_mtime_ns
    again, quiet = run(videos, built)
    assert not again.worked
    assert not quiet.works
    assert (built / "dataset.json").stat().st_mtime_ns == before


def test_a_new_video_is_the_only_one_worked_on(videos: Path, copied: Path, tmp_path: Path) -> None:
    more = tmp_path / "videos"
    shutil.copytree(videos, more)
    write_film(film("reach", seed=9), more / "z_new.mp4")
    before = shas(copied)
    _, quiet = run(more, copied)
    assert (quiet.works["ingest"], quiet.works["scan"], quiet.works["annotate"]) == (1, 1, 1)
    after = shas(copied)
    assert before.items() <= after.items() and len(after) == len(before) + 1
    assert ("kept", "") in ends(copied)["z_new.mp4"]
    assert verify(str(copied), deep=False) == []


def test_a_tighter_threshold_runs_nothing_and_a_looser_one_only_what_it_admits(built: Path, tmp_path: Path) -> None:
    least = min(r["person_height"] for r in open_dataset(str(built)).index_rows(["person_height"]))
    tight = Quiet()
    done = reselect(config(f"track.min_person_height={least + 1e-3}"), built, tmp_path / "tight", tight)
    assert tight.works["annotate"] == tight.works["scan"] == 0
    assert sum(r.num_samples for r in done.doc.shards) < len(open_dataset(str(built)))
    assert verify(str(tmp_path / "tight"), deep=False) == []
    loose = Quiet()
    reselect(config("track.min_person_share=0", "track.min_leg_visibility=0", "track.min_person_height=0"),
             tmp_path / "tight", tmp_path / "loose", loose)  # fmt: skip
    assert loose.works["scan"] == 0
    assert loose.works["annotate"] <= 1


def test_thresholds_lifted_keep_preconditions(built: Path, tmp_path: Path) -> None:
    reselect(config("score_only=true"), built, tmp_path / "all", Quiet())
    rows = ends(tmp_path / "all")
    assert ("rejected", "no_person") in rows["empty_room.mp4"]
    assert rows["text.mp4"] == {("rejected", "unreadable")}


def one_video(tmp_path: Path, videos: Path) -> Path:
    folder = tmp_path / "one"
    folder.mkdir()
    shutil.copy(videos / "two shots <b>人.mp4", folder / "v.mp4")
    return folder


def test_one_worker_two_workers_and_ray_give_the_same_shards(videos: Path, tmp_path: Path) -> None:
    folder = one_video(tmp_path, videos)
    run(folder, tmp_path / "w1", "execution.workers=1")
    run(folder, tmp_path / "w2", "execution.workers=2")
    run(folder, tmp_path / "ray", "execution.executor=ray")
    assert shas(tmp_path / "w1") == shas(tmp_path / "w2") == shas(tmp_path / "ray") != {}
    # The tables too: nothing of the machine or the hour is in them.
    for name in ("index.parquet", "outcomes.parquet", "dataset.json"):
        assert len({(tmp_path / w / name).read_bytes() for w in ("w1", "w2", "ray")}) == 1, name


def test_a_build_that_is_killed_and_run_again_gives_the_same_shards(videos: Path, tmp_path: Path) -> None:
    folder = one_video(tmp_path, videos)
    run(folder, tmp_path / "whole")
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "humove.cli", "build", str(folder), str(out)]
    command += [part for s in SETTINGS for part in ("--set", s)]
    draw = random.Random(7)
    for _ in range(3):
        child = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(draw.uniform(6, 14))
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert shas(out) == shas(tmp_path / "whole")
    assert verify(str(out), deep=False) == []


WHOLE_BUILD_IN_ONE_PROCESS = """
import sys
from pathlib import Path
import pipelines.build
from pipelines.executors.worker import attempt
from tests.builds import run

class Here:
    def map(self, stage, works):
        stage.setup()
        for work in works:
            yield from attempt(stage, work, 0)
    def close(self): ...

pipelines.build.make_executor = lambda config: Here()
built, _ = run(Path(sys.argv[1]), Path(sys.argv[2]))
maps = Path("/proc/self/maps").read_text()
print(len(built.doc.shards), "libtorch" in maps, "libGL" in maps, "libEGL" in maps)
"""


def test_a_finished_build_has_loaded_no_gl(videos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "one"
    folder.mkdir()
    shutil.copy(videos / "squat.mp4", folder)
    command = [sys.executable, "-c", WHOLE_BUILD_IN_ONE_PROCESS, str(folder), str(tmp_path / "out")]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.split() == ["1", "True", "False", "False"]


def test_nothing_kept_is_an_exit_code_and_the_outcomes_stay(videos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bad"
    folder.mkdir()
    shutil.copy(videos / "text.mp4", folder)
    with pytest.raises(UserError, match="no sample was kept") as caught:
        run(folder, tmp_path / "out")
    assert caught.value.exit_code == EXIT_NO_SAMPLES
    assert ends(tmp_path / "out")["text.mp4"] == {("rejected", "unreadable")}


def test_a_replaced_file_is_not_paired_with_the_motion_of_the_first(videos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    shutil.copy(videos / "squat.mp4", folder / "a.mp4")
    run(folder, tmp_path / "out")
    shutil.copy(videos / "Daily Activity" / "wave.mp4", folder / "a.mp4")
    _, quiet = run(folder, tmp_path / "out", "encode.crf=30")
    assert any("have changed since" in line for line in quiet.said)
    assert any("encode.crf 23 -> 30" in line for line in quiet.said)
    rows = [r for r in open_dataset(str(tmp_path / "out")).outcomes() if r.unit == "clip"]
    assert sorted((r.outcome, r.reason, r.stage) for r in rows) == [
        ("kept", "", "near_duplicates"),
        ("rejected", "unreadable", "encode"),
    ]
    assert verify(str(tmp_path / "out"), deep=False) == []


def test_what_is_not_ours_is_not_touched(videos: Path, built: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    (mine / "shards").mkdir(parents=True)
    (mine / "README.md").write_text("my notes")
    with pytest.raises(UserError, match="not a data set of this toolkit"):
        run(videos, mine)
    assert (mine / "README.md").read_text() == "my notes"
    shutil.copytree(built, tmp_path / "shared", ignore=shutil.ignore_patterns("ledger"))
    with pytest.raises(UserError, match="without its ledger"):
        run(videos, tmp_path / "shared")


def test_a_lost_table_and_a_damaged_record_are_made_again(videos: Path, copied: Path) -> None:
    (copied / "index.parquet").unlink()
    record = next((copied / "ledger" / "clips").rglob("quality.*.json"))
    record.write_text(record.read_text()[:20])
    done, quiet = run(videos, copied)
    assert done.worked
    assert quiet.works["annotate"] == 1
    assert verify(str(copied), deep=False) == []


def test_an_interrupt_ends_the_build_at_once_and_it_goes_on_later(videos: Path, tmp_path: Path) -> None:
    folder = one_video(tmp_path, videos)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "humove.cli", "build", str(folder), str(out)]
    child = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    for line in child.stderr:
        if line.startswith("annotate"):
            break
    time.sleep(1)
    for _ in range(2):
        os.killpg(child.pid, signal.SIGINT)
        time.sleep(0.3)
    said = child.communicate(timeout=30)[1]
    assert child.returncode == 130
    assert "interrupted; nothing that was there is lost" in said and "Traceback" not in said
    run(folder, out)
    assert verify(str(out), deep=False) == []


def test_two_builds_of_one_folder_do_not_meet(videos: Path, copied: Path) -> None:
    import fcntl

    with (copied / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another build is running"):
            run(videos, copied)


def test_the_resolved_configuration_is_saved(built: Path) -> None:
    doc = json.loads((built / "dataset.json").read_text())
    assert doc["config"]["track"]["min_person_height"] == config().track.min_person_height
    assert "execution" not in doc["config"]
