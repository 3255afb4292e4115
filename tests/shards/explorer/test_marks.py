"""Marks outlive the explorer, a kill in the middle of a line, and others that write at the same time."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from humove.errors import UserError
from pipelines.marks import parse_marks
from shards.explorer.marks import Marks, read_marks


def test_the_last_mark_counts_and_an_empty_one_takes_back(tmp_path: Path) -> None:
    marks = Marks(tmp_path / "marks.jsonl")
    assert marks.all() == {}
    marks.add("a", "good", "")
    marks.add("b", "bad", 'left\nand right\u2028swapped 人 "<b>"')
    marks.add("a", "bad", "feet")
    marks.add("b", "", "")
    assert {clip_id: (mark.mark, mark.why) for clip_id, mark in marks.all().items()} == {"a": ("bad", "feet")}
    assert Marks(tmp_path / "marks.jsonl").all() == marks.all()
    assert len((tmp_path / "marks.jsonl").read_text().split("\n")) == 5


def test_a_build_reads_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "marks.jsonl"
    for clip_id, why in (("a", "x"), ("b", "line\u2028separator \x85 人😀")):
        Marks(path).add(clip_id, "bad", why)
    assert {k: (m.mark, m.why) for k, m in parse_marks(path.read_bytes(), str(path)).items()} == {
        k: (m.mark, m.why) for k, m in read_marks(path).items()
    }


@pytest.mark.parametrize("left", ['{"clip_id": "b", "ma', "\0\0\0", '{"clip_id": "b", "mark": "go'])
def test_a_line_that_a_kill_cut_off_is_taken_away(tmp_path: Path, left: str) -> None:
    path = tmp_path / "marks.jsonl"
    Marks(path).add("a", "good", "")
    with path.open("a") as file:
        file.write(left)
    assert list(read_marks(path)) == ["a"]
    Marks(path).add("c", "bad", "")
    assert list(read_marks(path)) == ["a", "c"] and left not in path.read_text()
    assert list(parse_marks(path.read_bytes(), str(path))) == ["a", "c"]


def test_a_last_line_without_an_end_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "marks.jsonl"
    path.write_text(json.dumps({"clip_id": "a", "mark": "good"}))
    Marks(path).add("b", "bad", "")
    assert list(read_marks(path)) == ["a", "b"]


def test_a_line_in_the_middle_that_is_no_mark_is_named(tmp_path: Path) -> None:
    (tmp_path / "marks.jsonl").write_text('{"clip_id": "a", "mark": "good"}\nnonsense\n')
    with pytest.raises(UserError, match="line 2"):
        read_marks(tmp_path / "marks.jsonl")


def test_several_explorers_write_to_one_file(tmp_path: Path) -> None:
    path = tmp_path / "marks.jsonl"
    seen = Marks(path)

    def write(name: str) -> None:
        marks = Marks(path)
        for number in range(20):
            marks.add(f"{name}{number}", "good", "x" * 500)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen.all()) == 80


def test_marks_are_columns_and_survive_a_restart(tabled: Callable[..., TestClient]) -> None:
    client = tabled()
    rows = client.post("/api/clips", json={"limit": 3}).json()["rows"]
    for row, mark in zip(rows, ("good", "bad", "bad"), strict=True):
        said = {"clip_id": row["clip_id"], "mark": mark, "why": f"<i>{mark}</i>"}
        assert client.post("/api/mark", json=said).status_code == 200
    for again in (client, tabled()):
        bad = {"filters": [{"column": "mark", "op": "=", "value": "bad"}]}
        found = again.post("/api/clips", json=bad).json()
        assert [row["clip_id"] for row in found["rows"]] == [row["clip_id"] for row in rows[1:]]
        assert found["rows"][0]["mark_why"] == "<i>bad</i>"
        groups = again.post("/api/clips", json={"group": "mark"}).json()["groups"]
        assert [(group["value"], group["count"]) for group in groups] == [("", 297), ("bad", 2), ("good", 1)]
        assert again.get("/api/clip/" + rows[0]["clip_id"]).json()["row"]["mark"] == "good"


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        Marks(tmp_path).add("a", "good", "")
