"""Tables in parts: read as one, and merged at the root."""

import os
import re
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from humove.errors import UserError
from shards import tables
from shards.format import INDEX_FILE, OUTCOMES_FILE
from shards.reader import Dataset, open_dataset
from shards.schemas import DatasetDoc
from shards.tables import bring_tables_up_to_date, is_up_to_date
from shards.verify import verify
from tests.shards.parts import split_tables, write_part


@pytest.fixture
def whole(damaged: Path) -> dict[str, pa.Table]:
    return {name: pq.read_table(damaged / f"{name}.parquet") for name in ("index", "outcomes")}


@pytest.fixture
def parted(damaged: Path, whole: dict[str, pa.Table]) -> Path:
    """A set of four samples whose tables lie in parts alone."""
    split_tables(damaged, {"index": [1, 3], "outcomes": [5, 0, whole["outcomes"].num_rows - 5]})
    return damaged


def refresh(folder: Path) -> Dataset:
    dataset = open_dataset(folder)
    bring_tables_up_to_date(dataset.store, dataset.doc)
    return dataset


def test_parts_are_read_as_one_table(parted: Path, whole: dict[str, pa.Table]) -> None:
    dataset = open_dataset(parted)
    assert list(dataset.iterate_index_rows()) == whole["index"].to_pylist()
    assert list(dataset.iterate_index_rows(["key", "shard"])) == whole["index"].select(["key", "shard"]).to_pylist()
    assert dataset.read_table("index").to_pylist() == whole["index"].to_pylist()
    assert [row.uri for row in dataset.iterate_outcomes()] == whole["outcomes"]["uri"].to_pylist()
    assert dataset.keys() == tuple(whole["index"]["key"].to_pylist())
    assert dataset.get(dataset.keys()[2]).key == dataset.keys()[2]


def test_a_column_that_one_part_lacks_is_null_there(parted: Path, make: SimpleNamespace) -> None:
    first = pq.read_table(next((parted / "tables").glob("index-000000-*")))
    second = pq.read_table(next((parted / "tables").glob("index-000001-*")))
    second = second.drop_columns(["offset", "bytes"]).append_column("aesthetic", pa.array([5.0] * 3))
    rows = [write_part(parted, "index", number, part) for number, part in enumerate((first, second))]
    make.edit_doc(parted, lambda doc: doc["tables"].update(index=rows))
    dataset = open_dataset(parted)
    assert [row["aesthetic"] for row in dataset.iterate_index_rows()] == [None, 5.0, 5.0, 5.0]
    assert [row["offset"] is None for row in dataset.iterate_index_rows(["key", "offset"])] == [False, True, True, True]
    assert dataset.get(dataset.keys()[3]).key == dataset.keys()[3], "found by the video's place"
    refresh(parted)
    merged = pq.read_table(parted / INDEX_FILE)
    assert merged.to_pylist() == list(dataset.iterate_index_rows())
    assert merged.schema.field("aesthetic").type == pa.float64()


def test_a_column_of_two_types_is_an_error(parted: Path, make: SimpleNamespace) -> None:
    first = pq.read_table(next((parted / "tables").glob("index-000000-*")))
    odd = first.set_column(first.column_names.index("width"), "width", pa.array(["wide"]))
    rows = [write_part(parted, "index", number, part) for number, part in enumerate((first, odd))]
    make.edit_doc(parted, lambda doc: doc["tables"].update(index=rows))
    with pytest.raises(UserError, match="width is int64 in one part and string in another"):
        refresh(parted)


def test_the_root_is_brought_up_to_date_once(parted: Path, whole: dict[str, pa.Table]) -> None:
    refresh(parted)
    for name, true in whole.items():
        assert pq.read_table(parted / f"{name}.parquet").to_pylist() == true.to_pylist()
    before = {name: (parted / name).stat() for name in (INDEX_FILE, OUTCOMES_FILE)}
    content = (parted / INDEX_FILE).read_bytes()
    refresh(parted)
    for name, stat in before.items():
        now = (parted / name).stat()
        assert (now.st_ino, now.st_mtime_ns) == (stat.st_ino, stat.st_mtime_ns), "it was already up to date"
    (parted / INDEX_FILE).unlink()
    refresh(parted)
    assert (parted / INDEX_FILE).read_bytes() == content, "the same parts give the same bytes"


def test_a_root_of_older_parts_is_rewritten(parted: Path, make: SimpleNamespace) -> None:
    refresh(parted)
    make.edit_doc(parted, lambda doc: doc["tables"]["index"].pop())
    dataset = open_dataset(parted)
    assert not is_up_to_date(dataset.store, dataset.doc, "index")
    refresh(parted)
    assert pq.read_table(parted / INDEX_FILE).num_rows == 1


def test_row_groups_do_not_depend_on_the_parts(parted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "ROWS_PER_GROUP", 3)
    refresh(parted)
    file = pq.ParquetFile(parted / INDEX_FILE)
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [3, 1]


def test_a_set_of_an_older_build_has_nothing_to_merge(damaged: Path) -> None:
    before = (damaged / INDEX_FILE).read_bytes()
    dataset = refresh(damaged)
    assert dataset.doc.tables == {} and (damaged / INDEX_FILE).read_bytes() == before


def test_a_kill_while_the_root_is_written_leaves_the_old_one(parted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (parted / INDEX_FILE).write_bytes(b"old")

    def kill(source: object, target: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", kill)
    with pytest.raises(KeyboardInterrupt):
        refresh(parted)
    assert (parted / INDEX_FILE).read_bytes() == b"old"


def test_verify_updates_the_root_and_finds_the_set_sound(parted: Path) -> None:
    assert verify(str(parted)) == []
    assert (parted / INDEX_FILE).is_file() and (parted / OUTCOMES_FILE).is_file()


def edit_root(parted: Path) -> str:
    table = pq.read_table(parted / INDEX_FILE)
    captions = pa.array(["another", *table["caption"].to_pylist()[1:]])
    edited = table.set_column(table.column_names.index("caption"), "caption", captions)
    pq.write_table(edited.replace_schema_metadata(table.schema.metadata), parted / INDEX_FILE)
    return "index.parquet: has other rows than its parts"


def edit_part(parted: Path) -> str:
    part = next((parted / "tables").glob("outcomes-000000-*"))
    raw = bytearray(part.read_bytes())
    raw[10] ^= 1
    part.write_bytes(raw)
    return f"tables/{part.name}: sha256 differs from dataset.json"


def cut_part(parted: Path) -> str:
    part = next((parted / "tables").glob("index-000001-*"))
    part.write_bytes(part.read_bytes()[:-1])
    return f"tables/{part.name}: is .* bytes long, dataset.json says"


def lose_part(parted: Path) -> str:
    part = next((parted / "tables").glob("index-000001-*"))
    part.unlink()
    return f"tables/{part.name}: is missing, though dataset.json lists it"


@pytest.mark.parametrize("damage", [edit_root, edit_part, cut_part, lose_part])
def test_verify_finds_damage(parted: Path, damage) -> None:
    refresh(parted)
    expected = damage(parted)
    found = [str(defect) for defect in verify(str(parted), deep=False)]
    assert any(re.search(expected, line) for line in found), found


def test_a_set_that_is_not_writable_is_sound_by_its_parts(parted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise UserError("read only")

    monkeypatch.setattr(tables, "_merge_parts", refuse)
    notes: list[str] = []
    assert verify(str(parted), deep=False, on_note=notes.append) == []
    assert [note.partition(":")[0] for note in notes] == [INDEX_FILE, OUTCOMES_FILE]
    assert "readers use the parts" in notes[0]


def test_unlisted_parts_are_noted(parted: Path) -> None:
    (parted / "tables" / "index-000009-0123abcd.parquet").write_bytes(b"left behind")
    notes: list[str] = []
    verify(str(parted), deep=False, on_note=notes.append)
    assert any("tables/index-000009-0123abcd.parquet: is not part of the set" in note for note in notes)


@pytest.mark.parametrize("name", ["../index-000000-0123abcd.parquet", "tables/../x.parquet", "/etc/passwd"])
def test_names_of_parts_outside_the_set_are_refused(parted: Path, make: SimpleNamespace, name: str) -> None:
    make.edit_doc(parted, lambda doc: doc["tables"]["index"][0].update(name=name))
    with pytest.raises(UserError, match=r"dataset\.json: tables\.index\.0\.name"):
        open_dataset(parted)


def test_the_document_survives_a_round_trip(parted: Path) -> None:
    doc = open_dataset(parted).doc
    assert DatasetDoc.model_validate_json(doc.to_bytes()) == doc and len(doc.tables["outcomes"]) == 3
