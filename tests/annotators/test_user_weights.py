"""Weights by path: what is wrong with them is one line, and results are named after content, never after a path."""

import hashlib
from pathlib import Path

import pytest

from annotators.user_weights import UserWeights, pinned, sha256_of, weights_in
from humove.config import Strict, execution_field
from humove.errors import UserError


class Inner(Strict):
    weights: UserWeights = UserWeights()


class Section(Strict):
    level: int = 3
    batch: int = execution_field(16, ge=1, description="items at once")
    weights: UserWeights = UserWeights()
    inner: Inner = Inner()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.pt"
    path.write_bytes(b"weights")
    return path


SHA = hashlib.sha256(b"weights").hexdigest()


def test_a_file_is_given_back_when_it_is_the_one_that_is_wanted(file: Path) -> None:
    assert UserWeights(path=str(file)).file("a.b") == file
    assert UserWeights(path=str(file), sha256=SHA).file("a.b") == file
    assert UserWeights(path=str(file)).digest() == SHA


@pytest.mark.parametrize(
    "settings, said",
    [
        ({}, "track.x.weights.path is not set: name the file, as in SET track.x.weights.path=/models/..."),
        ({"path": "/nowhere/x.pt"}, "track.x.weights.path: no file /nowhere/x.pt"),
        ({"path": "FOLDER"}, "is a folder; name the file itself"),
        ({"path": "FILE", "sha256": "0" * 64}, f"has sha256 {SHA[:12]}..., wanted 000000000000...: it is another file"),
    ],
    ids=["unset", "missing", "folder", "other"],
)
def test_a_wrong_file_is_one_line(file: Path, settings: dict, said: str) -> None:
    places = {"FILE": str(file), "FOLDER": str(file.parent)}
    given = {**settings, "path": places.get(settings.get("path", ""), settings.get("path", ""))}
    with pytest.raises(UserError) as error:
        UserWeights(**given).file("track.x.weights")
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_file_for_a_folder_is_refused(file: Path) -> None:
    with pytest.raises(UserError, match="is a file; name the folder"):
        UserWeights(path=str(file)).folder("caption.vlm.weights")


def test_a_folder_is_known_by_its_names_and_contents(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "config.json").write_text("{}")
        (tmp_path / name / "sub" / "w.bin").write_bytes(b"123")
    one, two = tmp_path / "one", tmp_path / "two"
    (two / ".cache").write_text("what a tool left there")
    assert sha256_of(one) == sha256_of(two)
    (two / "sub" / "w.bin").rename(two / "w.bin")
    assert sha256_of(one) != sha256_of(two)


def test_a_changed_file_is_read_again(file: Path) -> None:
    before = sha256_of(file)
    file.write_bytes(b"other weights")
    assert sha256_of(file) != before


def test_results_depend_on_content_and_not_on_paths_or_batches(file: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere.pt"
    moved.write_bytes(file.read_bytes())
    here = Section(weights=UserWeights(path=str(file)), batch=8)
    there = Section(weights=UserWeights(path=str(moved)), batch=64)
    assert here.data_settings() == there.data_settings()
    assert here.data_settings() == {"level": 3, "weights": {"sha256": SHA}, "inner": {"weights": {"sha256": ""}}}


def test_pinned_settings_hold_a_later_file_to_what_it_was(file: Path) -> None:
    section = pinned(Section(inner=Inner(weights=UserWeights(path=str(file)))))
    assert section.inner.weights.sha256 == SHA and section.weights.sha256 == ""
    file.write_bytes(b"swapped after the build began")
    with pytest.raises(UserError, match="it is another file"):
        section.inner.weights.file("x")
    assert list(weights_in(section, "s")) == ["s.weights", "s.inner.weights"]
