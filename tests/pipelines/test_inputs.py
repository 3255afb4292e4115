"""The input list: every way to name videos, and every mistake in one line."""

import json

import pandas as pd
import pytest

from humove.errors import UserError
from pipelines.inputs import InputRef, list_inputs


@pytest.fixture
def folder(tmp_path):
    for name in ("b.mp4", "a vidéo 人 #1.MKV", "Dancing/c.mov", "notes.txt", ".hidden.mp4"):
        path = tmp_path / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "videos"


def test_a_folder_gives_its_videos_with_relative_uris_and_categories(folder) -> None:
    inputs = list_inputs(str(folder))
    assert [i.uri for i in inputs] == ["Dancing/c.mov", "a vidéo 人 #1.MKV", "b.mp4"]
    assert [i.source.category for i in inputs] == ["Dancing", "", ""]
    assert inputs[0].source.category_source == "folder"


def test_a_glob_and_a_single_file(folder) -> None:
    assert [i.uri for i in list_inputs(str(folder / "**" / "*.mov"))] == ["Dancing/c.mov"]
    assert [i.uri for i in list_inputs(str(folder / "b.mp4"))] == ["b.mp4"]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_manifests_of_every_kind_say_the_same(folder, tmp_path, kind) -> None:
    rows = [
        {"uri": "videos/b.mp4", "category": "Ball Sports/Golf", "caption": "a swing", "split": "val"},
        {"uri": "http://127.0.0.1:9/gone.mp4", "category": "", "caption": "", "split": ""},
    ]
    path = tmp_path / f"list.{kind}"
    if kind == "csv":
        pd.DataFrame(rows).to_csv(path, index=False)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    else:
        pd.DataFrame(rows).to_parquet(path)
    remote, local = list_inputs(str(path))
    assert local.uri == "videos/b.mp4" and local.location == str(folder / "b.mp4")
    assert (local.source.category, local.source.category_source) == ("Ball Sports/Golf", "manifest")
    assert (local.source.caption, local.source.split) == ("a swing", "val")
    assert remote.stamp == "missing"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("no_column.csv", "url\nx.mp4\n", "has no column 'uri'"),
        ("no_uri.csv", "uri,category\n,Golf\n", "row 1 has no uri"),
        ("bad_split.csv", "uri,split\nx.mp4,dev\n", "use train, val or test"),
        ("broken.jsonl", '{"uri": "x.mp4"\n', "line 1 is not JSON"),
        ("twice.csv", "uri\nx.mp4\nx.mp4\n", "named twice"),
        ("same.csv", "uri\nx.mp4\n./x.mp4\n", "named twice"),
        ("empty.csv", "uri\n", "has no rows"),
        ("list.jsonl", '{"uri": ["x.mp4"]}\n', "row 1: uri is .* write a text"),
        ("long.csv", "uri\n" + "x" * 140000 + "\n", "is not CSV"),
        ("fake.parquet", "not parquet", "cannot be read as parquet"),
    ],
)
def test_a_malformed_manifest_is_one_line(tmp_path, name, text, said) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UserError, match=said) as caught:
        list_inputs(str(path))
    assert "\n" not in str(caught.value)


def test_a_missing_and_an_empty_folder(tmp_path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        list_inputs(str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="no video found"):
        list_inputs(str(tmp_path))


def test_a_changed_file_is_a_new_input(folder) -> None:
    (before,) = list_inputs(str(folder / "b.mp4"))
    (folder / "b.mp4").write_bytes(b"other")
    (after,) = list_inputs(str(folder / "b.mp4"))
    assert before.input_id != after.input_id


def test_an_input_survives_the_ledger(folder) -> None:
    for item in list_inputs(str(folder)):
        assert InputRef.from_json(item.to_json()) == item


def test_a_name_that_is_no_utf8_is_spelt_out_and_still_found(tmp_path) -> None:
    import os

    path = os.path.join(os.fsencode(tmp_path), b"caf\xe9.mp4")
    with open(path, "wb") as f:
        f.write(b"x")
    (item,) = list_inputs(str(tmp_path))
    assert item.uri == "caf\\xe9.mp4"
    assert os.path.exists(InputRef.from_json(item.to_json()).location)


def test_a_manifest_keeps_what_its_fields_hold(tmp_path) -> None:
    (tmp_path / "m.csv").write_text('uri,caption\nx.mp4,"two\nlines"\n')
    (tmp_path / "m.jsonl").write_text('{"uri": "x.mp4", "caption": "a\u2028b", "consent": false}\n')
    assert list_inputs(str(tmp_path / "m.csv"))[0].source.caption == "two\nlines"
    source = list_inputs(str(tmp_path / "m.jsonl"))[0].source
    assert (source.caption, source.consent) == ("a\u2028b", "no")


def test_a_glob_of_everything_takes_the_videos(folder) -> None:
    assert [i.uri for i in list_inputs(str(folder / "*"))] == ["a vidéo 人 #1.MKV", "b.mp4"]
