"""Search, filters, order and groups give the same rows as pandas; invalid requests and labels."""

from collections.abc import Callable

import numpy as np
import pytest
from starlette.testclient import TestClient

from shards.clips_table import SCORE
from tests.shards.explorer.tables import make_clips, make_table


@pytest.fixture
def rows(make_table_client: Callable[..., TestClient]) -> Callable[..., list[dict]]:
    client = make_table_client()

    def request_rows(**body: object) -> list[dict]:
        answer = client.post("/api/clips", json={"limit": 500, **body})
        assert answer.status_code == 200, answer.text
        assert answer.json()["total"] == len(answer.json()["rows"])
        return answer.json()["rows"]

    return request_rows


def list_ids(rows: list[dict]) -> list[str]:
    return [row["clip_id"] for row in rows]


CLIPS = make_clips(300, 3)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"column": "category", "op": "=", "value": "Dance"}, CLIPS["category"] == "Dance"),
        ({"column": "category", "op": "!=", "value": ""}, CLIPS["category"] != ""),
        ({"column": "split", "op": "in", "value": ["val", "test"]}, CLIPS["split"].isin(["val", "test"])),
        ({"column": "caption", "op": "contains", "value": "WALKS 1"}, CLIPS["caption"].str.contains("walks 1")),
        ({"column": "jitter", "op": "<=", "value": 100}, CLIPS[f"{SCORE}jitter"] <= 100),
        ({"column": "jitter", "op": "=", "value": None}, CLIPS[f"{SCORE}jitter"].isna()),
        ({"column": "jitter", "op": "!=", "value": None}, CLIPS[f"{SCORE}jitter"].notna()),
        ({"column": "width", "op": "in", "value": [480, 1920]}, CLIPS["width"].isin([480, 1920])),
        ({"column": "batch", "op": ">", "value": 0}, CLIPS["batch"] > 0),
        ({"column": "cpu.track", "op": ">=", "value": 0.5}, CLIPS["cpu.track"] >= 0.5),
    ],
)  # fmt: skip
def test_filters(rows: Callable[..., list[dict]], condition: dict, expected: np.ndarray) -> None:
    assert list_ids(rows(filters=[condition])) == list(CLIPS["clip_id"][expected])
    assert 0 < expected.sum() < len(CLIPS)


def test_search_needs_every_word_literally(rows: Callable[..., list[dict]]) -> None:
    found = rows(search="VIDÉO 7  walks")
    text = CLIPS["uri"] + CLIPS["caption"] + CLIPS["clip_id"]
    assert list_ids(found) == list(CLIPS["clip_id"][text.str.lower().str.contains("vidéo") & text.str.contains("7")])
    assert list_ids(rows(search="<b>.mp4")) == list(CLIPS["clip_id"])
    assert rows(search=".*") == [] and rows(search="%") == []


def test_filters_add_up_with_search(rows: Callable[..., list[dict]]) -> None:
    found = rows(search="red", filters=[{"column": "split", "op": "=", "value": "val"},
                                        {"column": "batch", "op": "=", "value": 1}])  # fmt: skip
    assert list_ids(found) == list(CLIPS["clip_id"][(CLIPS["split"] == "val") & (CLIPS["batch"] == 1)])


@pytest.mark.parametrize("desc", [False, True])
@pytest.mark.parametrize("column", ["jitter", "width", "duration_s"])
def test_sorting_by_numbers_puts_missing_values_last(rows: Callable[..., list[dict]], column: str, desc: bool) -> None:
    name = column if column in CLIPS else f"{SCORE}{column}"
    signed = -CLIPS[name] if desc else CLIPS[name]
    expected = CLIPS["clip_id"].iloc[np.argsort(signed.to_numpy(), kind="stable")]
    assert list_ids(rows(sort=[{"column": column, "desc": desc}])) == list(expected)


def test_sorting_by_several_columns(rows: Callable[..., list[dict]]) -> None:
    expected = CLIPS.sort_values(
        ["split", "jitter" if "jitter" in CLIPS else f"{SCORE}jitter"], ascending=[False, True]
    )
    assert list_ids(rows(sort=[{"column": "split", "desc": True}, {"column": "jitter"}])) == list(expected["clip_id"])


def test_windows_of_a_sorted_table_are_contiguous(make_table_client: Callable[..., TestClient]) -> None:
    client = make_table_client()
    request_body = {"sort": [{"column": "sharpness", "desc": True}], "limit": 70}
    parts = [client.post("/api/clips", json={**request_body, "offset": at}).json() for at in range(0, 300, 70)]
    assert {part["total"] for part in parts} == {300}
    whole = client.post("/api/clips", json={**request_body, "limit": 300}).json()["rows"]
    assert [row for part in parts for row in part["rows"]] == whole
    assert client.post("/api/clips", json={"offset": 10**6}).json()["rows"] == []


@pytest.mark.parametrize("column", ["category", "batch", "jitter", "now", "video_id"])
def test_groups_are_counted_and_filtered(make_table_client: Callable[..., TestClient], column: str) -> None:
    client = make_table_client()
    whole = client.post("/api/clips", json={"group": column, "limit": 500, "search": "walks"}).json()
    assert sum(group["count"] for group in whole["groups"]) == whole["total"] == 300
    at = 0
    for group in whole["groups"][:20]:
        request_body = {"filters": group["filters"], "limit": 500}
        found = client.post("/api/clips", json=request_body).json()
        assert found["total"] == group["count"]
        assert sum(row["now"] == "kept" for row in found["rows"]) == group["kept"]
        # The rows are in the groups' order.
        assert list_ids(found["rows"]) == list_ids(whole["rows"][at : at + group["count"]])
        at += group["count"]


def test_the_verdict_under_changed_thresholds_is_a_column(make_table_client: Callable[..., TestClient]) -> None:
    client = make_table_client()
    thresholds = {"track.min_person_height": 0.9, "quality.max_jitter": 50}
    funnel = client.post("/api/select", json={"thresholds": thresholds}).json()
    request_body = {"thresholds": thresholds, "filters": [{"column": "now", "op": "=", "value": "kept"}], "limit": 500}
    kept = client.post("/api/clips", json=request_body).json()
    assert kept["total"] == funnel["kept"] and all(row["now"] == "kept" for row in kept["rows"])
    request_body["filters"] = [{"column": "now_reason", "op": "=", "value": "person_too_small"}]
    small = client.post("/api/clips", json=request_body).json()
    assert small["total"] == funnel["reasons"]["person_too_small"] > 0


def test_a_histogram_counts_all_that_was_measured(make_table_client: Callable[..., TestClient]) -> None:
    clips = CLIPS.assign(outcome=np.where(np.arange(300) % 3, "kept", "rejected"))
    found = make_table_client(make_table(clips)).get("/api/histogram", params={"column": "jitter"}).json()
    measured = clips[f"{SCORE}jitter"].notna()
    assert sum(found["kept"]) == (measured & (clips["outcome"] == "kept")).sum()
    assert sum(found["rejected"]) == (measured & (clips["outcome"] != "kept")).sum()
    assert len(found["edges"]) == len(found["kept"]) + 1 and found["edges"] == sorted(found["edges"])


@pytest.mark.parametrize(
    ("path", "request_body", "line"),
    [
        ("clips", {"filters": [{"column": "nothing", "op": "=", "value": 1}]}, "no column 'nothing'"),
        ("clips", {"filters": [{"column": "signature", "op": "=", "value": 1}]}, "no column"),
        ("clips", {"filters": [{"column": "uri", "op": "<", "value": "a"}]}, "it is text"),
        ("clips", {"filters": [{"column": "jitter", "op": "<", "value": "a"}]}, "it holds numbers"),
        ("clips", {"filters": [{"column": "jitter", "op": "=", "value": [1]}]}, "takes a list of values"),
        ("clips", {"filters": [{"column": "jitter", "op": "~", "value": 1}]}, "filters.0.op"),
        ("clips", {"sort": [{"column": "nothing"}]}, "no column"),
        ("clips", {"group": "nothing"}, "no column"),
        ("clips", {"limit": 501}, "limit"),
        ("clips", {"offset": -1}, "offset"),
        ("clips", {"thresholds": {"screen.nothing": 1}}, "no setting"),
        ("clips", {"surprise": 1}, "surprise"),
        ("select", {"thresholds": {"screen.min_brightness": "x"}}, "thresholds.screen.min_brightness"),
        ("select", {"dedup": {"near": "maybe"}}, "dedup.near"),
        ("selection", {"name": "../x"}, "name"),
        ("selection", {"name": "x\n"}, "name"),
        ("label", {"clip_id": "nothing", "label": "good"}, "no clip"),
        ("label", {"clip_id": CLIPS["clip_id"][0], "label": "ugly"}, "label"),
    ],
)  # fmt: skip
def test_invalid_requests_are_refused_in_one_line(
    make_table_client: Callable[..., TestClient], path: str, request_body: dict, line: str
) -> None:
    answer = make_table_client().post(f"/api/{path}", json=request_body)
    assert answer.status_code == 400
    assert line in answer.json()["error"] and "\n" not in answer.json()["error"]


def test_labels_are_columns_and_survive_a_restart(make_table_client: Callable[..., TestClient]) -> None:
    client = make_table_client()
    rows = client.post("/api/clips", json={"limit": 3}).json()["rows"]
    for row, label in zip(rows, ("good", "bad", "bad"), strict=True):
        body = {"clip_id": row["clip_id"], "label": label, "reason": f"<i>{label}</i>"}
        assert client.post("/api/label", json=body).status_code == 200
    for again in (client, make_table_client()):
        bad = {"filters": [{"column": "label", "op": "=", "value": "bad"}]}
        found = again.post("/api/clips", json=bad).json()
        assert [row["clip_id"] for row in found["rows"]] == [row["clip_id"] for row in rows[1:]]
        assert found["rows"][0]["label_reason"] == "<i>bad</i>"
        groups = again.post("/api/clips", json={"group": "label"}).json()["groups"]
        assert [(group["value"], group["count"]) for group in groups] == [("", 297), ("bad", 2), ("good", 1)]
        assert again.get("/api/clip/" + rows[0]["clip_id"]).json()["row"]["label"] == "good"
