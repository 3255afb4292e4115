"""A build from raw videos to verified shards: resuming, reproducibility, new videos, changed settings."""

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from humove.errors import EXIT_NO_SAMPLES, UserError
from pipelines.jobs.reselect import reselect
from pipelines.samples.film import write_film
from shards.reader import open_dataset
from shards.verify import verify
from tests.builds import CountingReporter, load_test_config, render_film, run_build


def hash_shards(out: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted((out / "shards").glob("*.tar"))}


def collect_outcomes(out: Path) -> dict[str, set[tuple[str, str]]]:
    """Return the (outcome, reason) pairs of the rows by uri."""
    found: dict[str, set[tuple[str, str]]] = {}
    for row in open_dataset(str(out)).iterate_outcomes():
        found.setdefault(row.uri, set()).add((row.outcome, row.reason))
    return found


def test_the_data_set_is_valid_and_has_the_outcome_of_every_input(built: Path) -> None:
    assert verify(str(built)) == []
    rows = collect_outcomes(built)
    for kept in ("Daily Activity/wave.mp4", "squat.mp4", "two shots <b>人.mp4"):
        assert ("kept", "") in rows[kept]
    assert rows["squat_copy.mp4"] == {("rejected", "duplicate")}
    assert rows["truncated.mp4"] & {("rejected", "truncated"), ("rejected", "unreadable")}
    assert rows["text.mp4"] == {("rejected", "unreadable")}
    assert ("rejected", "no_person") in rows["empty_room.mp4"]


def test_a_sample_has_its_source_annotators_and_scores(built: Path) -> None:
    sample = next(s for s in open_dataset(str(built)).iterate_samples() if s.meta["uri"].startswith("Daily"))
    meta = sample.meta
    assert meta["category"] == {"major": "General & Others", "fine": "Daily Activity", "source": "folder"}
    assert {a["name"] for a in meta["annotators"]} >= {"tracks.blazepose", "motion.landmark_fit"}
    assert {"sharpness", "person_share", "reprojection_pct", "jitter"} <= meta["scores"].keys()
    assert sample.motion.cam_intrinsics[0, 2] < meta["width"]


def test_a_finished_build_has_nothing_to_do(videos: Path, built: Path) -> None:
    before = (built / "dataset.json").stat().st_mtime_ns
    again, quiet = run_build(videos, built)
    assert not again.worked
    assert not quiet.works
    assert (built / "dataset.json").stat().st_mtime_ns == before


def test_a_new_video_is_the_only_one_worked_on(videos: Path, copied: Path, tmp_path: Path) -> None:
    more = tmp_path / "videos"
    shutil.copytree(videos, more)
    write_film(render_film("reach", seed=9), more / "z_new.mp4")
    before = hash_shards(copied)
    _, quiet = run_build(more, copied)
    assert (quiet.works["ingest"], quiet.works["scan"], quiet.works["annotate"]) == (1, 1, 1)
    after = hash_shards(copied)
    assert before.items() <= after.items() and len(after) == len(before) + 1
    assert ("kept", "") in collect_outcomes(copied)["z_new.mp4"]
    assert verify(str(copied), deep=False) == []


def test_a_tighter_threshold_runs_nothing(built: Path, tmp_path: Path) -> None:
    least = min(r["person_height"] for r in open_dataset(str(built)).iterate_index_rows(["person_height"]))
    tight = CountingReporter()
    done = reselect(load_test_config(f"track.min_person_height={least + 1e-3}"), built, tmp_path / "tight", tight)
    assert tight.works["annotate"] == tight.works["scan"] == 0
    assert sum(r.num_samples for r in done.doc.shards) < len(open_dataset(str(built)))
    assert verify(str(tmp_path / "tight"), deep=False) == []
    assert not (tmp_path / "tight" / "ledger" / "records").exists()  # nothing was copied


def test_a_looser_threshold_measures_only_the_clips_that_it_admits(videos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("squat.mp4", "empty_room.mp4"):
        shutil.copy(videos / name, folder)
    with pytest.raises(UserError, match="no sample was kept"):
        run_build(folder, tmp_path / "strict", "track.min_person_height=0.99")
    quiet = CountingReporter()
    reselect(load_test_config(), tmp_path / "strict", tmp_path / "loose", quiet)
    ran = {name: count for name, count in quiet.works.items() if count}
    after_track = ("crop", "frame_quality", "pose2d", "motion", "quality", "caption", "encode", "annotate")
    assert ran == dict.fromkeys(after_track, 1)
    assert ("kept", "") in collect_outcomes(tmp_path / "loose")["squat.mp4"]
    run_build(folder, tmp_path / "whole")
    assert hash_shards(tmp_path / "loose") == hash_shards(tmp_path / "whole")
    assert verify(str(tmp_path / "loose"), deep=False) == []


def test_thresholds_lifted_keep_preconditions(built: Path, tmp_path: Path) -> None:
    reselect(load_test_config("score_only=true"), built, tmp_path / "all", CountingReporter())
    rows = collect_outcomes(tmp_path / "all")
    assert ("rejected", "no_person") in rows["empty_room.mp4"]
    assert rows["text.mp4"] == {("rejected", "unreadable")}


def copy_one_video(tmp_path: Path, videos: Path) -> Path:
    folder = tmp_path / "one"
    folder.mkdir()
    shutil.copy(videos / "two shots <b>人.mp4", folder / "v.mp4")
    return folder


def test_one_worker_two_workers_and_ray_give_the_same_shards(videos: Path, tmp_path: Path) -> None:
    folder = copy_one_video(tmp_path, videos)
    run_build(folder, tmp_path / "w1", "execution.workers=1")
    run_build(folder, tmp_path / "w2", "execution.workers=2")
    run_build(folder, tmp_path / "ray", "execution.executor=ray")
    assert hash_shards(tmp_path / "w1") == hash_shards(tmp_path / "w2") == hash_shards(tmp_path / "ray") != {}
    # The tables too: nothing of the machine or the hour is in them.
    for name in ("index.parquet", "outcomes.parquet", "dataset.json"):
        assert len({(tmp_path / w / name).read_bytes() for w in ("w1", "w2", "ray")}) == 1, name


WHOLE_BUILD_IN_ONE_PROCESS = """
import sys
from pathlib import Path
import pipelines.jobs.build
from tests.builds import InProcessExecutor, run_build

pipelines.jobs.build.make_executor = lambda *_: InProcessExecutor()
built, _ = run_build(Path(sys.argv[1]), Path(sys.argv[2]))
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
        run_build(folder, tmp_path / "out")
    assert caught.value.exit_code == EXIT_NO_SAMPLES
    assert collect_outcomes(tmp_path / "out")["text.mp4"] == {("rejected", "unreadable")}


def test_a_replaced_file_is_not_paired_with_the_motion_of_the_first(videos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    shutil.copy(videos / "squat.mp4", folder / "a.mp4")
    run_build(folder, tmp_path / "out")
    shutil.copy(videos / "Daily Activity" / "wave.mp4", folder / "a.mp4")
    _, quiet = run_build(folder, tmp_path / "out", "encode.crf=30")
    assert any("have changed" in line for line in quiet.lines)
    assert any("encode.crf 23 -> 30" in line for line in quiet.lines)
    rows = [r for r in open_dataset(str(tmp_path / "out")).iterate_outcomes() if r.unit == "clip"]
    assert sorted((r.outcome, r.reason, r.stage) for r in rows) == [
        ("kept", "", "near_duplicates"),
        ("rejected", "unreadable", "encode"),
    ]
    assert verify(str(tmp_path / "out"), deep=False) == []


def test_a_foreign_folder_is_not_changed(videos: Path, built: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    (mine / "shards").mkdir(parents=True)
    (mine / "README.md").write_text("my notes")
    with pytest.raises(UserError, match="not a data set of this toolkit"):
        run_build(videos, mine)
    assert (mine / "README.md").read_text() == "my notes"
    shutil.copytree(built, tmp_path / "shared", ignore=shutil.ignore_patterns("ledger"))
    with pytest.raises(UserError, match="without its ledger"):
        run_build(videos, tmp_path / "shared")


def test_a_lost_table_is_written_again(videos: Path, copied: Path) -> None:
    before = pq.read_table(copied / "index.parquet")
    (copied / "index.parquet").unlink()
    (copied / "README.md").unlink()
    done, quiet = run_build(videos, copied)
    assert not done.worked and not quiet.works
    assert pq.read_table(copied / "index.parquet").equals(before)
    assert verify(str(copied), deep=False) == []


def test_a_lost_table_part_and_a_damaged_record_are_rebuilt(videos: Path, copied: Path) -> None:
    before = hash_shards(copied)
    next((copied / "tables").glob("index-*")).unlink()
    record = next(
        path for path in sorted((copied / "ledger" / "records").rglob("*.zip")) if "encode" in str(read_index(path))
    )
    record.write_bytes(record.read_bytes()[:-100])
    done, quiet = run_build(videos, copied)
    assert done.worked and quiet.works["scan"] == 1 and quiet.works["annotate"] >= 1
    assert any("measured again" in line for line in quiet.lines)
    assert sorted(hash_shards(copied).values()) == sorted(before.values())
    assert verify(str(copied), deep=False) == []


def read_index(path: Path) -> str:
    with zipfile.ZipFile(path) as box:
        return box.read("records.json").decode()


def test_a_second_build_of_one_folder_is_refused(videos: Path, copied: Path) -> None:
    import fcntl

    with (copied / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another build is running"):
            run_build(videos, copied)


def test_the_resolved_configuration_is_saved(built: Path) -> None:
    doc = json.loads((built / "dataset.json").read_text())
    assert doc["config"]["track"]["min_person_height"] == load_test_config().track.min_person_height
    assert "execution" not in doc["config"]
