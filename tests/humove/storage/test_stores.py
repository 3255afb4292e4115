"""Properties of every kind of store."""

import multiprocessing
import os
import pickle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from humove.storage import Store, StoreEntry, open_store, require_writable


def test_written_files_are_read_back(store: Store) -> None:
    store.write("shards/a.tar", b"0123456789")
    store.write("shards/a.tar", b"abcdefghij")
    assert store.read("shards/a.tar") == b"abcdefghij"
    assert store.read_range("shards/a.tar", 2, 5) == b"cde"
    assert store.read_range("shards/a.tar", 4, 4) == b""
    assert store.size("shards/a.tar") == 10
    assert store.exists("shards/a.tar") and not store.exists("shards") and not store.exists("b")


def test_a_missing_file_is_missing_for_every_reader(store: Store, tmp_path: Path) -> None:
    store.write("a", b"x")
    below_a_file = () if store.location.startswith("memory") else ("a/b",)  # there, a file can't be a folder too
    for name in ("b", "c/d", *below_a_file):
        for read in (store.read, store.size, lambda name: store.read_range(name, 0, 1), lambda n: store.open(n)):
            with pytest.raises(FileNotFoundError):
                read(name)
        with pytest.raises(FileNotFoundError):
            store.fetch(name, tmp_path / "copy")
        assert not store.exists(name)
    assert not (tmp_path / "copy").exists()


def test_a_range_past_the_end_is_an_error(store: Store) -> None:
    store.write("a", b"0123456789")
    for span in ((5, 11), (50, 60)):
        with pytest.raises(EOFError):
            store.read_range("a", *span)


def test_files_are_listed_below_a_folder(store: Store) -> None:
    assert store.list() == [] and store.list("x") == []
    for name in ("b/2", "b/1/c", "bc", "a"):
        store.write(name, name.encode())
    assert store.list() == [StoreEntry(name=name, size=len(name)) for name in ("a", "b/1/c", "b/2", "bc")]
    assert [entry.name for entry in store.list("b")] == ["b/1/c", "b/2"]
    assert store.list("a") in ([], [StoreEntry(name="a", size=1)]) or store.is_local
    assert [entry.name for entry in store.child("b").list()] == ["1/c", "2"]
    assert store.names() == {"a", "b", "bc"} and store.names("b") == {"1", "2"}
    assert store.names("x") == set() == store.names("a")


def test_deletion_ignores_missing_files(store: Store) -> None:
    for name in ("a", "b", "c/d"):
        store.write(name, b"x")
    store.delete(["a", "nothing", "c/d", "a/b"])
    store.delete([])
    assert [entry.name for entry in store.list()] == ["b"]


def test_a_copy_is_independent_of_its_source(store: Store) -> None:
    store.write("a", b"one")
    store.write("b", b"other")
    store.copy("a", "b")
    store.copy("a", "folder/c")
    store.copy("a", "folder/c")
    store.write("a", b"two")
    assert (store.read("b"), store.read("folder/c")) == (b"one", b"one")
    assert [entry.name for entry in store.list()] == ["a", "b", "folder/c"]
    with pytest.raises(FileNotFoundError):
        store.copy("nothing", "d")


def test_a_written_file_equals_the_fetched_one(store: Store, tmp_path: Path) -> None:
    content = os.urandom(100_000)
    (tmp_path / "new").write_bytes(content)
    store.write_file("shards/a", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    store.fetch("shards/a", tmp_path / "folder" / "back")
    assert (tmp_path / "folder" / "back").read_bytes() == content == store.read("shards/a")
    with pytest.raises(FileNotFoundError):
        store.write_file("shards/b", tmp_path / "nothing")


@pytest.mark.parametrize("name", ["../a", "a/../b", "/etc/passwd", "", "a//b", "./a", "a/"])
def test_names_do_not_lead_outside(store: Store, name: str) -> None:
    for act in (
        store.read,
        store.exists,
        store.size,
        store.open,
        lambda n: store.write(n, b""),
        lambda n: store.copy(n, "x"),
    ):
        with pytest.raises(ValueError, match="not a valid file name"):
            act(name)
    with pytest.raises(ValueError, match="not a valid file name"):
        store.delete([name])


def test_an_opened_file_reads_and_seeks(store: Store) -> None:
    store.write("a", b"0123456789")
    for size in (None, 10):
        with store.open("a", size) as f:
            assert f.read(3) == b"012"
            assert (f.seek(-2, 2), f.read(), f.read(1)) == (8, b"89", b"")
            assert f.seek(4) == 4 and f.read(2) == b"45" and f.tell() == 6
    table = pa.table({"key": list(range(1000))})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    store.write("t.parquet", sink.getvalue().to_pybytes())
    with store.open("t.parquet") as f:
        assert pq.read_table(f).equals(table)


def test_a_store_is_picklable(store: Store) -> None:
    store.write("a", b"here")
    again = pickle.loads(pickle.dumps(store))
    assert again == store and again.read("a") == b"here"
    if store.location.startswith("memory"):
        return  # it is the memory of one process
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.map(store.read, ["a", "a", "a"]) == [b"here"] * 3


def test_the_write_check_leaves_no_file(store: Store) -> None:
    require_writable(store)
    assert store.list() == []


def test_a_child_is_a_folder(store: Store) -> None:
    child = store.child("shards/x")
    child.write("a", b"1")
    assert store.read("shards/x/a") == b"1" and child.location == f"{store.location}/shards/x"
    assert store.child("") == store


def test_the_location_is_absolute(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_store("out/x").location == str(tmp_path / "out" / "x")
    assert open_store(f"file://{tmp_path}/out").location == str(tmp_path / "out")
    assert open_store("memory://b/set/").location == "memory://b/set"
