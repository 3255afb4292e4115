"""Labels as a filter: bad clips are dropped before they are measured, even if the file is gone."""

import json
from pathlib import Path

import pytest

from humove.errors import UserError
from pipelines.config import make_config
from pipelines.jobs.reselect import reselect
from shards.clips_table import read_clips
from shards.reader import open_dataset
from shards.verify import verify
from tests.builds import CountingReporter, load_test_config


def write_labels(path: Path, *rows: tuple[str, str, str]) -> Path:
    lines = [json.dumps({"clip_id": c, "mark": m, "why": w, "time": "2026-11-22T10:00:00"}) for c, m, w in rows]
    path.write_text("".join(line + "\n" for line in lines))
    return path


def test_bad_clips_are_dropped_and_the_last_label_counts(copied: Path, tmp_path: Path) -> None:
    first, second, *_ = keys = open_dataset(str(copied)).keys()
    rows = ((first, "good", ""), (second, "bad", ""), (first, "bad", "<b>feet</b>"), (second, "", ""))
    file = write_labels(tmp_path / "labels.jsonl", *rows)
    quiet = CountingReporter()
    reselect(load_test_config(f"labels.file={file}"), copied, tmp_path / "out", quiet)
    assert quiet.works["annotate"] == 0
    dataset = open_dataset(str(tmp_path / "out"))
    assert set(dataset.keys()) == set(keys) - {first}
    (row,) = (r for r in dataset.iterate_outcomes() if r.clip_id == first)
    assert (row.stage, row.outcome, row.reason, row.detail) == (
        "screen", "rejected", "not_selected", "labelled bad: <b>feet</b>",
    )  # fmt: skip
    assert verify(str(tmp_path / "out"), workers=1) == []
    clips = read_clips(dataset).frame.set_index("clip_id")
    assert (clips.loc[first, "stopped"], clips.loc[first, "stopped_reason"]) == ("screen", "not_selected")


def test_only_good_clips(copied: Path, tmp_path: Path) -> None:
    first, *_ = open_dataset(str(copied)).keys()
    file = write_labels(tmp_path / "labels.jsonl", (first, "good", ""))
    reselect(load_test_config(f"labels.file={file}", "labels.keep=good"), copied, tmp_path / "out", CountingReporter())
    assert open_dataset(str(tmp_path / "out")).keys() == (first,)


def test_the_data_set_keeps_the_labels_when_the_file_is_removed(copied: Path, tmp_path: Path) -> None:
    first, *_ = keys = open_dataset(str(copied)).keys()
    file = write_labels(tmp_path / "labels.jsonl", (first, "bad", ""))
    reselect(load_test_config(f"labels.file={file}"), copied, tmp_path / "a", CountingReporter())
    file.unlink()
    doc = open_dataset(str(tmp_path / "a")).doc
    assert "file" not in doc.config["labels"] and str(tmp_path) not in json.dumps(doc.config)
    again = make_config(doc.model_dump()["config"], ["quality.max_jitter=299", "execution.workers=2"])
    reselect(again, tmp_path / "a", tmp_path / "b", CountingReporter())
    assert set(open_dataset(str(tmp_path / "b")).keys()) == set(keys) - {first}


def test_a_file_of_the_former_name_is_read(copied: Path, tmp_path: Path) -> None:
    first, second, *_ = keys = open_dataset(str(copied)).keys()
    write_labels(copied / "marks.jsonl", (first, "bad", ""), (second, "bad", ""))
    reselect(load_test_config(f"labels.file={copied / 'labels.jsonl'}"), copied, tmp_path / "a", CountingReporter())
    assert set(open_dataset(str(tmp_path / "a")).keys()) == set(keys) - {first, second}
    write_labels(copied / "labels.jsonl", (second, "", ""))
    reselect(load_test_config(f"labels.file={copied / 'labels.jsonl'}"), copied, tmp_path / "b", CountingReporter())
    assert set(open_dataset(str(tmp_path / "b")).keys()) == set(keys) - {first}


@pytest.mark.parametrize("text", ["nonsense\n", '{"clip_id": "a", "mark": "ugly"}\n'])
def test_a_file_without_labels_is_a_one_line_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "labels.jsonl").write_text(text)
    with pytest.raises(UserError, match="line 1: not a label"):
        load_test_config(f"labels.file={tmp_path / 'labels.jsonl'}")
    with pytest.raises(UserError, match="no such file"):
        load_test_config(f"labels.file={tmp_path / 'none.jsonl'}")
