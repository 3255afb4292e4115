"""The stores on which the interface tests run."""

import uuid
from pathlib import Path

import pytest

from humove.storage import Store, open_store


@pytest.fixture(params=["local", "s3", "memory"])
def store(request, tmp_path: Path) -> Store:
    """An empty store: a folder, an object store behind a real server, or fsspec's memory."""
    if request.param == "s3":
        request.getfixturevalue("s3").make_bucket("stores")
    place = {"local": str(tmp_path / "set"), "s3": "s3://stores", "memory": "memory://stores"}[request.param]
    return open_store(place if request.param == "local" else f"{place}/{uuid.uuid4().hex}")
