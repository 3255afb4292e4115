"""Labels persist across restarts, kills in the middle of a line, and concurrent writers."""

import json
import threading
from pathlib import Path

import pytest

from humove.errors import UserError
from shards.labels import LabelFile, parse_labels, read_labels


def test_the_last_label_counts_and_an_empty_one_removes_it(tmp_path: Path) -> None:
    labels = LabelFile(tmp_path / "labels.jsonl")
    assert labels.read() == {}
    labels.add("a", "good", "")
    labels.add("b", "bad", 'left\nand right\u2028swapped 人 "<b>"')
    labels.add("a", "bad", "feet")
    labels.add("b", "", "")
    assert {clip_id: (label.mark, label.why) for clip_id, label in labels.read().items()} == {"a": ("bad", "feet")}
    assert LabelFile(tmp_path / "labels.jsonl").read() == labels.read()
    assert len((tmp_path / "labels.jsonl").read_text().split("\n")) == 5


def test_a_build_reads_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    for clip_id, why in (("a", "x"), ("b", "line\u2028separator \x85 人😀")):
        LabelFile(path).add(clip_id, "bad", why)
    assert {k: (m.mark, m.why) for k, m in parse_labels(path.read_bytes(), str(path)).items()} == {
        k: (m.mark, m.why) for k, m in read_labels(path).items()
    }


@pytest.mark.parametrize("left", ['{"clip_id": "b", "ma', "\0\0\0", '{"clip_id": "b", "mark": "go'])
def test_a_line_cut_off_by_a_kill_is_removed(tmp_path: Path, left: str) -> None:
    path = tmp_path / "labels.jsonl"
    LabelFile(path).add("a", "good", "")
    with path.open("a") as file:
        file.write(left)
    assert list(read_labels(path)) == ["a"]
    LabelFile(path).add("c", "bad", "")
    assert list(read_labels(path)) == ["a", "c"] and left not in path.read_text()
    assert list(parse_labels(path.read_bytes(), str(path))) == ["a", "c"]


def test_a_last_line_without_an_end_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text(json.dumps({"clip_id": "a", "mark": "good"}))
    LabelFile(path).add("b", "bad", "")
    assert list(read_labels(path)) == ["a", "b"]


def test_an_invalid_line_in_the_middle_is_named(tmp_path: Path) -> None:
    (tmp_path / "labels.jsonl").write_text('{"clip_id": "a", "mark": "good"}\nnonsense\n')
    with pytest.raises(UserError, match="line 2"):
        read_labels(tmp_path / "labels.jsonl")


def test_a_file_of_the_former_name_is_read(tmp_path: Path) -> None:
    former, labels = LabelFile(tmp_path / "marks.jsonl"), LabelFile(tmp_path / "labels.jsonl")
    former.add("a", "good", "")
    former.add("b", "bad", "feet")
    assert labels.read() == former.read() and list(labels.read()) == ["a", "b"]
    labels.add("a", "", "")
    assert list(labels.read()) == ["b"] and list(former.read()) == ["a", "b"]
    assert read_labels(tmp_path / "labels.jsonl") == labels.read()


def test_several_explorers_write_to_one_file(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    reader = LabelFile(path)

    def write(name: str) -> None:
        labels = LabelFile(path)
        for number in range(20):
            labels.add(f"{name}{number}", "good", "x" * 500)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reader.read()) == 80


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        LabelFile(tmp_path).add("a", "good", "")
