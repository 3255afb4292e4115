"""A training run: its curves and videos; nothing else of its folder is served."""

import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from shards.explorer.app import make_app


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "validation" / "000100").mkdir(parents=True)
    (folder / "validation" / "20").mkdir()
    (folder / "validation" / "notes").mkdir()
    (folder / "validation" / "20" / "a <b> #1.mp4").write_bytes(b"early")
    (folder / "validation" / "000100" / "walk.mp4").write_bytes(b"0123456789")
    (folder / "validation" / "notes" / "x.mp4").write_bytes(b"no step")
    (folder / "secret.mp4").write_bytes(b"secret")
    (folder / "validation" / "20" / "link.mp4").symlink_to(folder / "secret.mp4")
    lines = [json.dumps({"step": step, "loss": 1 / (step + 1), "note": "text", "flag": True}) for step in range(5000)]
    lines += ["nonsense", "[1]", '{"loss": 3}', '{"step": 5000, "loss": NaN, "lr": 0.1}', '{"step": 5001, "lo']
    (folder / "metrics.jsonl").write_text("\n".join(lines))
    return folder


@pytest.fixture
def client(run: Path) -> TestClient:
    return TestClient(make_app(run=run), base_url="http://127.0.0.1:8765", follow_redirects=False)


def test_curves_are_complete_and_bounded(client: TestClient) -> None:
    curves = client.get("/api/runs").json()["curves"]
    assert set(curves) == {"loss", "lr"} and curves["lr"] == [[5000, 0.1]]
    assert len(curves["loss"]) <= 2000 and curves["loss"][-1] == [4999, 1 / 5000]
    assert all(value == 1 / (step + 1) for step, value in curves["loss"])


def test_videos_are_listed_and_served(client: TestClient) -> None:
    samples = client.get("/api/runs").json()["samples"]
    assert [(row["step"], row["name"]) for row in samples] == [(20, "a <b> #1"), (100, "walk")]
    assert [client.get(row["url"]).content for row in samples] == [b"early", b"0123456789"]
    assert client.get(samples[1]["url"], headers={"Range": "bytes=2-3"}).content == b"23"


@pytest.mark.parametrize(
    "name",
    ["secret.mp4", "validation/../secret.mp4", "validation%2f..%2fsecret.mp4", "validation/20/link.mp4",
     "validation/20/..%2f..%2f..%2fsecret.mp4", "validation/notes/x.mp4", "metrics.jsonl", "%2e%2e/run/secret.mp4"],
)  # fmt: skip
def test_other_files_of_the_folder_are_not_served(client: TestClient, name: str) -> None:
    answer = client.get(f"/runs/{name}")
    assert answer.status_code == 404 and b"secret" not in answer.content


def test_a_run_without_a_data_set_opens_the_run_page(client: TestClient) -> None:
    assert client.get("/").headers["location"] == "/runs"
    assert client.get("/api/dataset").status_code == 404


def test_an_empty_run(tmp_path: Path) -> None:
    document = TestClient(make_app(run=tmp_path), base_url="http://127.0.0.1:1").get("/api/runs").json()
    assert document == {"name": tmp_path.name, "curves": {}, "samples": []}
