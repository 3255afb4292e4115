"""Weights by path: defects are one line, and results are identified by content, never by a path."""

import hashlib
from pathlib import Path

import pytest

from annotators.weights.user_files import UserWeights, find_user_weights, hash_path, pin_weights
from humove.config.strict import Strict, execution_field
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


def test_the_path_of_a_valid_file_is_returned(file: Path) -> None:
    assert UserWeights(path=str(file)).resolve_file("a.b") == file
    assert UserWeights(path=str(file), sha256=SHA).resolve_file("a.b") == file
    assert UserWeights(path=str(file)).compute_sha256() == SHA


@pytest.mark.parametrize(
    "settings, message",
    [
        ({}, "track.x.weights.path is not set: name the file, as in SET track.x.weights.path=/models/..."),
        ({"path": "/nowhere/x.pt"}, "track.x.weights.path: no file /nowhere/x.pt"),
        ({"path": "FOLDER"}, "is a folder; name the file itself"),
        ({"path": "FILE", "sha256": "0" * 64}, f"has sha256 {SHA[:12]}..., wanted 000000000000...: it is another file"),
    ],
    ids=["unset", "missing", "folder", "other"],
)
def test_a_wrong_file_is_one_line(file: Path, settings: dict, message: str) -> None:
    places = {"FILE": str(file), "FOLDER": str(file.parent)}
    given = {**settings, "path": places.get(settings.get("path", ""), settings.get("path", ""))}
    with pytest.raises(UserError) as error:
        UserWeights(**given).resolve_file("track.x.weights")
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_file_instead_of_a_folder_is_rejected(file: Path) -> None:
    with pytest.raises(UserError, match="is a file; name the folder"):
        UserWeights(path=str(file)).resolve_folder("caption.vlm.weights")


def test_a_folder_is_identified_by_its_names_and_contents(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "config.json").write_text("{}")
        (tmp_path / name / "sub" / "w.bin").write_bytes(b"123")
    one, two = tmp_path / "one", tmp_path / "two"
    (two / ".cache").write_text("what a tool left there")
    assert hash_path(one) == hash_path(two)
    (two / "sub" / "w.bin").rename(two / "w.bin")
    assert hash_path(one) != hash_path(two)


def test_a_changed_file_is_read_again(file: Path) -> None:
    before = hash_path(file)
    file.write_bytes(b"other weights")
    assert hash_path(file) != before


def test_results_depend_on_content_and_not_on_paths_or_batches(file: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere.pt"
    moved.write_bytes(file.read_bytes())
    here = Section(weights=UserWeights(path=str(file)), batch=8)
    there = Section(weights=UserWeights(path=str(moved)), batch=64)
    assert here.get_data_settings() == there.get_data_settings()
    assert here.get_data_settings() == {"level": 3, "weights": {"sha256": SHA}, "inner": {"weights": {"sha256": ""}}}


def test_pinned_settings_reject_a_file_that_changes_later(file: Path) -> None:
    section = pin_weights(Section(inner=Inner(weights=UserWeights(path=str(file)))))
    assert section.inner.weights.sha256 == SHA and section.weights.sha256 == ""
    file.write_bytes(b"swapped after the build began")
    with pytest.raises(UserError, match="it is another file"):
        section.inner.weights.resolve_file("x")
    assert list(find_user_weights(section, "s")) == ["s.weights", "s.inner.weights"]
