"""Manifests of every kind, and a one-line error for every mistake."""

import json
from pathlib import Path

import pandas as pd
import pytest
import s3fs

from humove.errors import UserError
from pipelines.inputs.listing import list_inputs
from pipelines.inputs.manifest import read_manifest
from tests.pipelines.inputs.web_server import WebServer


def write_file(tmp_path: Path, name: str, text: str, encoding: str = "utf-8") -> str:
    (tmp_path / name).write_bytes(text.encode(encoding))
    return str(tmp_path / name)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_manifests_of_every_kind_give_the_same_inputs(tmp_path: Path, kind: str) -> None:
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
    assert local.uri == "videos/b.mp4" and local.location == str(tmp_path / "videos" / "b.mp4")
    assert (local.source.category, local.source.category_source) == ("Ball Sports/Golf", "manifest")
    assert (local.source.caption, local.source.split) == ("a swing", "val")
    assert (local.stamp, remote.stamp) == ("missing", "unknown")
    assert remote.source.category_source == ""


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("no_column.csv", "url\nx.mp4\n", "has no column 'uri'"),
        ("no_header.csv", "", "has no column 'uri' .its columns: none"),
        ("no_uri.csv", "uri,category\n,Golf\n", "row 1 has no uri"),
        ("bad_split.csv", "uri,split\nx.mp4,dev\n", "use train, val or test"),
        ("broken.jsonl", '{"uri": "x.mp4"\n', "line 1 is not JSON"),
        ("number.jsonl", "12\n", "line 1 is not an object"),
        ("twice.csv", "uri\nx.mp4\nx.mp4\n", "named twice"),
        ("same.csv", "uri\nx.mp4\n./x.mp4\n", "named twice .as ./x.mp4"),
        ("empty.csv", "uri\n", "has no rows"),
        ("list.jsonl", '{"uri": ["x.mp4"]}\n', "row 1: uri is .* write a text"),
        ("nul.jsonl", '{"uri": "x\\u0000.mp4"}\n', "row 1: uri holds a NUL"),
        ("half.jsonl", '{"uri": "x\\ud800.mp4"}\n', "row 1: uri holds half of a surrogate pair"),
        ("long.csv", "uri\n" + "x" * 140000 + "\n", "is not CSV"),
        ("fake.parquet", "not parquet", "can't be read as parquet"),
        ("typo.csv", "uri,Licens\nx.mp4,MIT\n", "column 'Licens' is not known; the nearest known one is 'licen[cs]e'"),
        ("typo.jsonl", '{"uri": "a.mp4"}\n{"uri": "b.mp4", "captions": "a"}\n', "line 2: column 'captions'.*'caption'"),
        ("both.csv", "uri,license,licence\nx.mp4,MIT,MIT\n", "column 'licence' occurs twice"),
        ("more.csv", "uri,caption\nx.mp4,one, two\n", "row 1 has 3 fields"),
        ("unnamed.csv", ",uri\n0,x.mp4\n", "row 1 has 2 fields, some without a column name"),
        ("ftp.csv", "uri\nftp://host/x.mp4\n", "row 1: uri ftp://host/x.mp4 .*use a path, http"),
        ("url.csv", "uri\nhttp://[x/y.mp4\n", "row 1: uri .* is not a valid URL"),
        ("bucket.csv", "uri\ns3://\n", "row 1: uri .* names no file"),
        ("word.csv", "uri,start\nx.mp4,soon\n", "row 1: start is 'soon'; write seconds as a number"),
        ("nan.csv", "uri,end\nx.mp4,inf\n", "row 1: end is 'inf'; write seconds as a number"),
        ("order.csv", "uri,start,end\nx.mp4,5,2\n", "row 1: .*0 <= start < end"),
        ("minus.csv", "uri,start\nx.mp4,-1\n", "row 1: .*0 <= start < end"),
        ("span.csv", "uri,start,end\na.mp4,,\nx.mp4,1,2.5\n", "row 2 has start or end: spans .* can't be built yet"),
    ],
)
def test_a_malformed_manifest_is_a_one_line_error(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        list_inputs(write_file(tmp_path, name, text))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_separators_and_byte_order_marks_are_detected(tmp_path: Path, separator: str, encoding: str) -> None:
    lines = [["URI ", " License", "caption"], ["é.mp4", "CC-BY", '"a, b; c\td"']]
    text = "\r\n".join(separator.join(line) for line in lines) + "\r\n"
    (row,) = read_manifest(write_file(tmp_path, "m.csv", text, encoding))
    assert (row.uri, row.source.licence, row.source.caption) == ("é.mp4", "CC-BY", "a, b; c\td")


def test_other_encodings_and_missing_manifests_are_one_line_errors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not UTF-8 .* at byte 4"):
        list_inputs(write_file(tmp_path, "m.csv", "uri\né.mp4\n", "latin-1"))
    with pytest.raises(UserError, match="no such manifest"):
        list_inputs(str(tmp_path / "gone.csv"))


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_ignored_columns_are_accepted(tmp_path: Path, kind: str) -> None:
    row = {" Uri": "x.mp4", "Views": 3, "license": "MIT", "": "0"}
    path = tmp_path / f"m.{kind}"
    if kind == "csv":
        pd.DataFrame([row]).to_csv(path, index=False)
    elif kind == "jsonl":
        path.write_text(json.dumps(row) + "\n")
    else:
        pd.DataFrame([row]).to_parquet(path)
    with pytest.raises(UserError, match="column 'Views' is not known"):
        list(read_manifest(str(path)))
    (read,) = read_manifest(str(path), ("views ", "", "Licence"))
    assert (read.uri, read.source.licence) == ("x.mp4", "")


def test_a_manifest_keeps_the_content_of_its_fields(tmp_path: Path) -> None:
    (row,) = read_manifest(write_file(tmp_path, "m.csv", 'uri,caption,,\nx.mp4,"two\nlines",,\n\n'))
    assert row.source.caption == "two\nlines"
    text = '{"uri": "x.mp4", "caption": "a\u2028b", "consent": false, "group": 7, "start": null, "licence": NaN}\n'
    (row,) = read_manifest(write_file(tmp_path, "m.jsonl", text))
    assert (row.source.caption, row.source.consent) == ("a\u2028b", "no")
    assert (row.source.group, row.source.licence) == ("7", "")


def test_empty_cells_of_parquet_are_empty(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    pd.DataFrame({"uri": ["a.mp4", "b.mp4"], "start": [None, float("nan")], "caption": [None, "b"]}).to_parquet(path)
    assert [row.source.caption for row in read_manifest(str(path))] == ["", "b"]


def test_uris_of_a_manifest_at_a_url_are_relative_to_it(web: WebServer) -> None:
    text = "uri\na.mp4\n../b.mp4?x=1\nhttp://host.invalid/c.mp4\n"
    url = web.serve("/sets/list.csv", text.encode())
    assert [row.location for row in read_manifest(f"{url}?token=1")] == [
        f"{web.url}/sets/a.mp4",
        f"{web.url}/b.mp4?x=1",
        "http://host.invalid/c.mp4",
    ]


def test_uris_of_a_manifest_in_a_store_are_relative_to_it(s3) -> None:
    s3.make_bucket("manifests")
    fs = s3fs.S3FileSystem(skip_instance_cache=True)
    fs.pipe_file("manifests/sets/list.jsonl", b'{"uri": "a #1.mp4"}\n{"uri": "../b.mp4"}\n{"uri": "/c.mp4"}\n')
    locations = [row.location for row in read_manifest("s3://manifests/sets/list.jsonl")]
    assert locations == ["s3://manifests/sets/a #1.mp4", "s3://manifests/b.mp4", "s3://manifests/c.mp4"]
    with pytest.raises(UserError, match="the manifest can't be read: not found"):
        list(read_manifest("s3://manifests/sets/gone.csv"))


def test_an_unreadable_remote_manifest_is_a_one_line_error(web: WebServer) -> None:
    with pytest.raises(UserError, match="not found.*check its address"):
        list(read_manifest(f"{web.url}/gone.csv"))
    with pytest.raises(UserError, match="not allowed .HTTP 403.*check its address"):
        list(read_manifest(web.serve("/m.csv", status=403)))
