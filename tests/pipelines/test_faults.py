"""Faults: ours, not the data's. They are isolated, kept with their traceback, counted, and never scored."""

import json
from pathlib import Path

import pytest

import pipelines.build
from humove.errors import EXIT_TOO_MANY_FAULTS, UserError
from pipelines.executors.worker import attempt
from pipelines.reselect import reselect
from pipelines.stages.motion import MotionStep
from shards.reader import open_dataset
from shards.verify import verify
from tests.builds import Quiet, config

OTHER_FIT = "motion.landmark_fit.iterations=5"
"""Makes motion, and what follows, run again on what the ledger holds."""


class Here:
    """Runs stages in this process, where a test can break them."""

    def map(self, stage, works):
        stage.setup()
        for work in works:
            yield from attempt(stage, work, 1)

    def close(self) -> None: ...


@pytest.fixture
def broken(monkeypatch) -> list[str]:
    """Lets the motion of the clips that the list names raise."""
    bad: list[str] = []
    measure = MotionStep.measure

    def breaking(self, view):
        if view.clip.clip_id in bad:
            raise FloatingPointError("the fit went off")
        return measure(self, view)

    monkeypatch.setattr(MotionStep, "measure", breaking)
    monkeypatch.setattr(pipelines.build, "make_executor", lambda _: Here())
    return bad


def test_one_fault_costs_one_clip_and_is_kept_with_its_traceback(built: Path, tmp_path: Path, broken) -> None:
    keys = open_dataset(str(built)).keys()
    broken.append(keys[0])
    out = tmp_path / "out"
    reselect(config(OTHER_FIT, "execution.max_fault_share=0.5"), built, out, Quiet())
    rows = {row.clip_id: row for row in open_dataset(str(out)).outcomes() if row.unit == "clip"}
    assert (rows[keys[0]].outcome, rows[keys[0]].stage, rows[keys[0]].reason) == ("faulted", "motion", "fault")
    assert all(rows[key].outcome == "kept" for key in keys[1:])
    kept = json.loads((out / "ledger" / "quarantine" / f"{keys[0]}.json").read_text())
    assert "the fit went off" in kept["error"] and "in breaking" in kept["traceback"]
    assert verify(str(out), deep=False) == []
    doc = open_dataset(str(out)).doc
    assert doc.counts["motion"].faulted == 1


def test_too_many_faults_commit_nothing_and_are_tried_again(built: Path, tmp_path: Path, broken) -> None:
    keys = open_dataset(str(built)).keys()
    broken.extend(keys)
    out = tmp_path / "out"
    with pytest.raises(UserError, match="more than execution.max_fault_share allows") as caught:
        reselect(config(OTHER_FIT), built, out, Quiet())
    assert caught.value.exit_code == EXIT_TOO_MANY_FAULTS
    assert not (out / "dataset.json").exists()
    broken.clear()
    done = pipelines.build.build(config(OTHER_FIT), [], out, Quiet())
    assert sum(row.num_samples for row in done.doc.shards) == len(keys)
