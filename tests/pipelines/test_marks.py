"""Marks as a filter: bad clips go before anything is measured of them, whatever becomes of the file."""

import json
from pathlib import Path

import pytest

from humove.errors import UserError
from pipelines.config import configured
from pipelines.jobs.reselect import reselect
from shards.clips import read_clips
from shards.reader import open_dataset
from shards.verify import verify
from tests.builds import Quiet, config


def marked(path: Path, *rows: tuple[str, str, str]) -> Path:
    lines = [json.dumps({"clip_id": c, "mark": m, "why": w, "time": "2026-11-22T10:00:00"}) for c, m, w in rows]
    path.write_text("".join(line + "\n" for line in lines))
    return path


def test_bad_clips_are_left_out_and_the_last_mark_counts(copied: Path, tmp_path: Path) -> None:
    first, second, *_ = keys = open_dataset(str(copied)).keys()
    file = marked(tmp_path / "marks.jsonl", (first, "good", ""), (second, "bad", ""), (first, "bad", "<b>feet</b>"),
                  (second, "", ""))  # fmt: skip
    quiet = Quiet()
    reselect(config(f"marks.file={file}"), copied, tmp_path / "out", quiet)
    assert quiet.works["annotate"] == 0
    dataset = open_dataset(str(tmp_path / "out"))
    assert set(dataset.keys()) == set(keys) - {first}
    (row,) = (r for r in dataset.outcomes() if r.clip_id == first)
    assert (row.stage, row.outcome, row.reason, row.detail) == (
        "screen", "rejected", "not_selected", "marked bad: <b>feet</b>",
    )  # fmt: skip
    assert verify(str(tmp_path / "out"), workers=1) == []
    clips = read_clips(dataset).frame.set_index("clip_id")
    assert (clips.loc[first, "stopped"], clips.loc[first, "stopped_reason"]) == ("screen", "not_selected")


def test_only_good_clips(copied: Path, tmp_path: Path) -> None:
    first, *_ = open_dataset(str(copied)).keys()
    file = marked(tmp_path / "marks.jsonl", (first, "good", ""))
    reselect(config(f"marks.file={file}", "marks.keep=good"), copied, tmp_path / "out", Quiet())
    assert open_dataset(str(tmp_path / "out")).keys() == (first,)


def test_the_data_set_keeps_the_marks_when_the_file_goes(copied: Path, tmp_path: Path) -> None:
    first, *_ = keys = open_dataset(str(copied)).keys()
    file = marked(tmp_path / "marks.jsonl", (first, "bad", ""))
    reselect(config(f"marks.file={file}"), copied, tmp_path / "a", Quiet())
    file.unlink()
    doc = open_dataset(str(tmp_path / "a")).doc
    assert "file" not in doc.config["marks"] and str(tmp_path) not in json.dumps(doc.config)
    again = configured(doc.model_dump()["config"], ["quality.max_jitter=299", "execution.workers=2"])
    reselect(again, tmp_path / "a", tmp_path / "b", Quiet())
    assert set(open_dataset(str(tmp_path / "b")).keys()) == set(keys) - {first}


@pytest.mark.parametrize("text", ["nonsense\n", '{"clip_id": "a", "mark": "ugly"}\n'])
def test_a_file_that_holds_no_marks_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "marks.jsonl").write_text(text)
    with pytest.raises(UserError, match="line 1: no mark"):
        config(f"marks.file={tmp_path / 'marks.jsonl'}")
    with pytest.raises(UserError, match="no such file"):
        config(f"marks.file={tmp_path / 'none.jsonl'}")
