"""Retries of temporary failures with growing waits; other failures are reported at once, in one line."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from annotators.endpoint.annotator import SETTING_NAMES
from annotators.endpoint.client import Client, EndpointError, Reply
from annotators.endpoint.config import ServerConfig
from humove.config.settings import parse_config
from humove.config.strict import Strict
from humove.errors import UserError

from .conftest import GOOD, MODEL, cut_off, hang_up, says, send, slow

pytestmark = pytest.mark.usefixtures("no_network")


def client(server, waits: list | None = None, **settings: object) -> Client:
    settings = {"timeout_s": 0.5, "retries": 3, "backoff_s": 1.0, **settings}
    sleep = (waits if waits is not None else []).append
    return Client(ServerConfig(url=server.url, **settings), SETTING_NAMES, sleep=sleep)


def test_an_answer(server) -> None:
    reply = client(server).chat({"model": MODEL})
    assert (json.loads(reply.text), reply.complete, reply.refused) == (GOOD, True, False)


@pytest.mark.parametrize(
    "bad",
    [429, 500, 503, 408, slow(2), cut_off, hang_up, lambda h, r: send(h, 200, b"<html>busy</html>"),
     lambda h, r: send(h, 200, b'{"choices": []}'), lambda h, r: send(h, 200, b"[1]")],
    ids=["429", "500", "503", "408", "slow", "cut off", "hung up", "not JSON", "no choice", "a list"],
)  # fmt: skip
def test_temporary_failures_are_retried(server, bad) -> None:
    server.plan = [bad]
    waits: list[float] = []
    assert json.loads(client(server, waits).chat({"model": MODEL}).text) == GOOD
    assert len(server.requests) == 2
    assert len(waits) == 1 and 0.5 <= waits[0] <= 1.0


def test_the_waits_double_and_end_with_a_fault(server) -> None:
    server.plan = [500] * 9
    waits: list[float] = []
    with pytest.raises(
        EndpointError, match=r"chat/completions: 5 tries failed, the last one: 500: configured to answer 500"
    ):
        client(server, waits, retries=4, max_wait_s=6).chat({"model": MODEL})
    assert len(server.requests) == 5
    for wait, most in zip(waits, (1, 2, 4, 6), strict=True):
        assert most * 0.5 <= wait <= most


@pytest.mark.parametrize(
    ("requested", "least", "most"),
    [
        ("7", 7, 7),
        ("3600", 20, 20),
        (lambda: format_datetime(datetime.now(UTC) + timedelta(seconds=9), usegmt=True), 7, 9),
        ("soon", 0.5, 1),
    ],
)
def test_the_server_may_request_a_longer_wait_within_bounds(server, requested, least: float, most: float) -> None:
    requested = requested() if callable(requested) else requested
    server.plan = [lambda h, r: send(h, 429, b"{}", Retry_After=requested)]
    waits: list[float] = []
    client(server, waits, max_wait_s=20).chat({"model": MODEL})
    assert len(waits) == 1 and least <= waits[0] <= most


@pytest.mark.parametrize(
    ("bad", "kind", "line"),
    [
        (400, EndpointError, "400: configured to answer 400"),
        (401, UserError, "caption.endpoint.server.api_key_file: {url} answers 401: configured to answer 401"),
        (404, UserError, "caption.endpoint.server.url: {url}/chat/completions answers 404: configured to answer 404"),
        (lambda h, r: send(h, 302, b"", Location="https://evil.example/"), UserError,
         "redirects to 'https://evil.example/'; set that address"),
    ],
)  # fmt: skip
def test_permanent_failures_are_reported_at_once(server, bad, kind: type, line: str) -> None:
    server.plan = [bad]
    with pytest.raises(kind) as raised:
        client(server).chat({"model": MODEL})
    assert line.format(url=server.url) in str(raised.value) and "\n" not in str(raised.value)
    assert len(server.requests) == 1


def test_refusals_and_cuts_of_the_protocol(server) -> None:
    ask = client(server)
    server.plan = [says("", refusal="I won't."), says("", reason="content_filter"), says('{"a', reason="length")]
    assert ask.chat({}) == Reply(text="I won't.", complete=True, refused=True)
    assert ask.chat({}) == Reply(text="", complete=True, refused=True)
    assert ask.chat({}) == Reply(text='{"a', complete=False, refused=False)


def test_the_model_must_be_served(server) -> None:
    client(server).check(MODEL)
    with pytest.raises(UserError) as raised:
        client(server).check("other")
    assert str(raised.value) == f"caption.endpoint.model: {server.url} has no 'other'; it has: {MODEL}"
    server.models = 404  # a server that does not list its models passes
    client(server).check("other")
    with pytest.raises(UserError, match="api_key_file: .* answers 401"):
        server.models = 401
        client(server).check(MODEL)


def test_a_server_that_is_not_there_is_one_line() -> None:
    missing = Client(ServerConfig(url="http://127.0.0.1:1/v1", retries=1), SETTING_NAMES, sleep=lambda s: None)
    with pytest.raises(
        UserError, match=r"server.url: http://127.0.0.1:1/v1/models: ConnectionRefused.*is the server up"
    ):
        missing.check(MODEL)
    with pytest.raises(UserError, match=r"server.url is not set: name the server, as in"):
        Client(ServerConfig(), SETTING_NAMES)


def test_the_key_comes_from_a_file_and_is_sent_to_the_server_only(server, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sk-12345\n")
    server.plan = [lambda h, r: send(h, 401, b'{"error": {"message": "wrong key sk-12345"}}')]
    with pytest.raises(UserError) as raised:
        client(server, api_key_file=str(file)).chat({})
    assert server.headers[0]["Authorization"] == "Bearer sk-12345"
    assert "sk-12345" not in str(raised.value)
    file.write_text("two words")
    for bad in (file, tmp_path / "none"):
        with pytest.raises(UserError, match="api_key_file: .*(holds no key|can't be read)"):
            client(server, api_key_file=str(bad))


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8000", "ftp://host/v1", "http://", "http://host:x/v1", "http://me:pw@host/v1", "http://h/v1?k=1"]
)
def test_a_wrong_address_is_a_wrong_setting(url: str) -> None:
    with pytest.raises(UserError, match="configuration: url is .*write http://HOST:PORT/v1"):
        parse_config(ServerConfig, {"url": url})


def test_results_do_not_depend_on_the_server() -> None:
    config = ServerConfig(url="http://h/v1/", api_key_file="/k", cache="/c")
    assert isinstance(config, Strict) and config.get_data_settings() == {} and config.url == "http://h/v1"
