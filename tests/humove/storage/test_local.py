"""A store in a local folder: atomic writes, and messages of refusals."""

import errno
import os
from pathlib import Path

import pytest

from humove.errors import UserError
from humove.storage import open_store, require_writable


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch) -> None:
    store = open_store(tmp_path)
    store.write("a", b"old")

    def fail(fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(UserError, match="disk is full") as caught:
        store.write("a", b"new")
    assert f"{tmp_path}/a" in str(caught.value) and "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == ["a"] and store.read("a") == b"old"


def test_files_of_a_killed_writer_are_not_listed(tmp_path: Path) -> None:
    (tmp_path / ".a-0123abcd.tmp").write_bytes(b"half")
    assert open_store(tmp_path).list() == []


def test_a_copy_takes_no_space(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write("a", b"x")
    store.copy("a", "b")
    assert os.stat(tmp_path / "a").st_ino == os.stat(tmp_path / "b").st_ino


def test_a_file_moves_across_file_systems(tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or os.stat(other).st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("one file system only")
    source = other / f"move-{os.getpid()}"
    source.write_bytes(b"x" * 1000)
    open_store(tmp_path).write_file("a/b", source)
    assert not source.exists() and (tmp_path / "a" / "b").read_bytes() == b"x" * 1000
    assert os.listdir(tmp_path / "a") == ["b"]


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_folder_without_rights_is_one_line(tmp_path: Path, monkeypatch, number: int) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(UserError, match="access is refused") as caught:
        require_writable(open_store(tmp_path / "set"))
    assert str(tmp_path) in str(caught.value)


def test_a_folder_below_a_file_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="is a file, not a folder"):
        require_writable(open_store(tmp_path / "file"))
