"""Servers for the sources of a build."""

from collections.abc import Iterator

import pytest

from tests.pipelines.inputs.web_server import WebServer
from tests.s3_server import s3, s3_session

__all__ = ["s3", "s3_session", "web"]


@pytest.fixture
def web() -> Iterator[WebServer]:
    server = WebServer()
    yield server
    server.close()
