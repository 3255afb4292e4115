"""Faults of the toolkit, not of the data: isolated, kept with their traceback, counted, never scored."""

import json
from pathlib import Path

import pytest

import pipelines.jobs.build
from humove.errors import EXIT_TOO_MANY_FAULTS, UserError
from pipelines.jobs.build import build
from pipelines.jobs.reselect import reselect
from pipelines.stages.motion import MotionStep
from shards.reader import open_dataset
from shards.verify import verify
from tests.builds import CountingReporter, InProcessExecutor, load_test_config

OTHER_FIT = "motion.landmark_fit.iterations=5"
"""A setting that makes motion and later steps run again."""


@pytest.fixture
def broken(monkeypatch) -> list[str]:
    """Make the motion step raise for the clips in the returned list."""
    bad: list[str] = []
    measure = MotionStep.measure

    def breaking(self, view):
        if view.clip.clip_id in bad:
            raise FloatingPointError("the fit went off")
        return measure(self, view)

    monkeypatch.setattr(MotionStep, "measure", breaking)
    monkeypatch.setattr(pipelines.jobs.build, "make_executor", lambda *_: InProcessExecutor())
    return bad


def read_faults(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "ledger" / "faults.jsonl").read_text().splitlines()]


def test_one_fault_costs_one_clip_and_is_kept_with_its_traceback(built: Path, tmp_path: Path, broken) -> None:
    keys = open_dataset(str(built)).keys()
    broken.append(keys[0])
    out = tmp_path / "out"
    quiet = CountingReporter()
    reselect(load_test_config(OTHER_FIT), built, out, quiet)  # few faults are no error, whatever their share
    rows = {row.clip_id: row for row in open_dataset(str(out)).iterate_outcomes() if row.unit == "clip"}
    assert (rows[keys[0]].outcome, rows[keys[0]].stage, rows[keys[0]].reason) == ("faulted", "motion", "fault")
    assert rows[keys[0]].detail == "FloatingPointError: the fit went off"
    assert all(rows[key].outcome == "kept" for key in keys[1:])
    (fault,) = read_faults(out)
    assert fault["unit"] == keys[0] and "in breaking" in fault["traceback"]
    assert any(keys[0] in line and "the fit went off" in line for line in quiet.lines)
    assert verify(str(out), deep=False) == []
    assert open_dataset(str(out)).doc.counts["motion"].faulted == 1


def test_a_faulted_clip_is_tried_again_by_the_next_run_and_added(built: Path, tmp_path: Path, broken) -> None:
    keys = open_dataset(str(built)).keys()
    broken.append(keys[0])
    out = tmp_path / "out"
    reselect(load_test_config(OTHER_FIT), built, out, CountingReporter())
    before = {p.name: p.read_bytes() for p in (out / "shards").glob("*.tar")}
    broken.clear()
    quiet = CountingReporter()
    done = build(load_test_config(OTHER_FIT), [], out, quiet)
    assert done.worked and quiet.works["motion"] == 1
    dataset = open_dataset(str(out))
    assert set(dataset.keys()) == set(keys)
    assert all((out / "shards" / name).read_bytes() == raw for name, raw in before.items())
    assert dataset.doc.counts["motion"].faulted == 0 and not (out / "ledger" / "faults.jsonl").exists()
    assert verify(str(out), deep=False) == []
    assert not build(load_test_config(OTHER_FIT), [], out, CountingReporter()).worked


def test_too_many_faults_are_an_exit_code_and_what_succeeded_is_committed(
    built: Path, tmp_path: Path, broken, monkeypatch
) -> None:
    monkeypatch.setattr(pipelines.jobs.build, "MIN_FAULTS", 1)
    keys = open_dataset(str(built)).keys()
    broken.extend(keys[:2])
    out = tmp_path / "out"
    with pytest.raises(UserError, match="more than execution.max_fault_share allows") as caught:
        reselect(load_test_config(OTHER_FIT), built, out, CountingReporter())
    assert caught.value.exit_code == EXIT_TOO_MANY_FAULTS and "2 of " in str(caught.value)
    assert set(open_dataset(str(out)).keys()) == set(keys[2:])
    assert verify(str(out), deep=False) == []
    broken.clear()
    build(load_test_config(OTHER_FIT), [], out, CountingReporter())
    assert set(open_dataset(str(out)).keys()) == set(keys)
