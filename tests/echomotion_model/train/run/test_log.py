"""metrics.jsonl after a stop: no duplicate step, no incomplete line."""

import json
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from echomotion_model.train.run.log import MetricsLog
from shards.explorer.runs import TrainingRun


def read_lines(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_log_resumes_from_the_checkpoint(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path, 0)
    for step in (1, 2, 3):
        log.write(step, {"loss": 1 / step, "grad_norm": float("nan")})
    log.close()
    with (tmp_path / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"step": 4, "lo')  # killed in the middle of a line
    log = MetricsLog(tmp_path, 2)
    log.write(3, {"loss": 0.25})
    log.close()
    assert read_lines(tmp_path) == [{"step": 1, "loss": 1.0}, {"step": 2, "loss": 0.5}, {"step": 3, "loss": 0.25}]
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in board.Scalars("loss")] == [(1, 1.0), (2, 0.5), (3, 0.25)]
    assert TrainingRun(tmp_path).make_document()["curves"]["loss"] == [[1, 1.0], [2, 0.5], [3, 0.25]]
