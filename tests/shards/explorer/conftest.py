"""Clients of an explorer, in process; every request comes as the page's own unless a test says otherwise."""

from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from shards.clips import ClipTable, read_clips
from shards.explorer.app import make_app
from shards.explorer.media import ShardMedia
from shards.reader import open_dataset
from tests.shards.explorer.tables import frame, table

BASE = "http://127.0.0.1:8765"


def client_of(app: Starlette) -> TestClient:
    return TestClient(app, base_url=BASE, raise_server_exceptions=False, follow_redirects=False)


@pytest.fixture
def client(built: Path, tmp_path: Path) -> TestClient:
    """The explorer of four samples, whose ledger is gone."""
    dataset = open_dataset(str(built))
    app = make_app(
        dataset=dataset,
        clips=read_clips(dataset),
        media=[ShardMedia(dataset)],
        marks=tmp_path / "marks.jsonl",
        selections=tmp_path / "selections",
    )
    return client_of(app)


@pytest.fixture
def tabled(tmp_path: Path) -> Callable[..., TestClient]:
    """Makes the explorer of a table of 300 clips, or of another one; it has no media."""

    def make(clips: ClipTable | None = None) -> TestClient:
        app = make_app(
            clips=clips or table(frame(300, 3)),
            marks=tmp_path / "marks.jsonl",
            selections=tmp_path / "set" / "selections",
            building=True,
        )
        return client_of(app)

    return make


@pytest.fixture(scope="session")
def measured(built_videos: Path) -> Path:
    """A data set with its ledger, built of rendered videos; read only."""
    return built_videos
