"""One exchange: whole, or not at all, within its time, with nobody but the host that was named."""

import json
import time

import pytest

from annotators.endpoint.http import NoAnswer, exchange

from .conftest import GOOD, completion, cut_off, drip, hang_up, send, slow

pytestmark = pytest.mark.usefixtures("no_network")


def ask(server, **more):
    return exchange(f"{server.url}/chat/completions", timeout_s=0.5, body={"a": "é"}, **more)


def test_a_whole_answer(server) -> None:
    response = ask(server, key="secret")
    assert (response.status, response.body) == (200, completion(json.dumps(GOOD)))
    assert server.requests == [{"a": "é"}]
    assert server.headers[0]["Authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    ("what", "why"),
    [
        (slow(2), "no whole answer within 0.5 s"),
        (drip(2), "no whole answer within 0.5 s"),
        (cut_off, "the answer was cut off"),
        (hang_up, "the connection was closed without an answer"),
        (lambda h, r: send(h, 200, b"", Content_Length=str(9 << 20)), f"an answer of {9 << 20} bytes"),
    ],
    ids=["slow", "drip", "cut off", "hung up", "endless"],
)
def test_what_is_not_whole_is_no_answer(server, what, why: str) -> None:
    server.plan = [what]
    start = time.monotonic()
    with pytest.raises(NoAnswer) as raised:
        ask(server)
    assert str(raised.value) == why
    assert time.monotonic() - start < 1.5


def test_nobody_there() -> None:
    with pytest.raises(NoAnswer, match="ConnectionRefusedError"):
        exchange("http://127.0.0.1:1/v1/models", timeout_s=1)


def test_a_redirect_is_not_followed_and_no_proxy_is_asked(server, monkeypatch) -> None:
    monkeypatch.setenv("http_proxy", "http://192.0.2.1:3128")
    server.plan = [lambda h, r: send(h, 302, b"", Location="http://192.0.2.1/v1")]
    response = ask(server)
    assert (response.status, response.headers["location"]) == (302, "http://192.0.2.1/v1")
