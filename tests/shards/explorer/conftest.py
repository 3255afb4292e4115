"""In-process clients of an explorer; requests look like the page's own by default."""

from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from shards.clips_table import ClipTable, read_clips
from shards.explorer.app import make_app
from shards.explorer.media import ShardMedia
from shards.reader import open_dataset
from tests.shards.explorer.tables import make_clips, make_table

BASE = "http://127.0.0.1:8765"


def make_client(app: Starlette) -> TestClient:
    return TestClient(app, base_url=BASE, raise_server_exceptions=False, follow_redirects=False)


@pytest.fixture
def client(built: Path, tmp_path: Path) -> TestClient:
    """A client of the explorer of four samples without a ledger."""
    dataset = open_dataset(str(built))
    app = make_app(
        dataset=dataset,
        clips=read_clips(dataset),
        media=[ShardMedia(dataset)],
        labels=tmp_path / "labels.jsonl",
        selections=tmp_path / "selections",
    )
    return make_client(app)


@pytest.fixture
def make_table_client(tmp_path: Path) -> Callable[..., TestClient]:
    """Make a client of the explorer of a table: by default 300 clips, without media."""

    def make(clips: ClipTable | None = None) -> TestClient:
        app = make_app(
            clips=clips or make_table(make_clips(300, 3)),
            labels=tmp_path / "labels.jsonl",
            selections=tmp_path / "set" / "selections",
            building=True,
        )
        return make_client(app)

    return make


@pytest.fixture(scope="session")
def measured(built_videos: Path) -> Path:
    """A data set with its ledger, built of rendered videos; read only."""
    return built_videos
