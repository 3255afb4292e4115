"""One request: a complete response within its time from the named host, or none."""

import json
import time

import pytest

from annotators.endpoint.http import NoResponse, send_request

from .conftest import GOOD, completion, cut_off, drip, hang_up, send, slow

pytestmark = pytest.mark.usefixtures("no_network")


def ask(server, **more):
    return send_request(f"{server.url}/chat/completions", timeout_s=0.5, body={"a": "é"}, **more)


def test_a_complete_response(server) -> None:
    response = ask(server, key="secret")
    assert (response.status, response.body) == (200, completion(json.dumps(GOOD)))
    assert server.requests == [{"a": "é"}]
    assert server.headers[0]["Authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    ("what", "why"),
    [
        (slow(2), "no complete answer within 0.5 s"),
        (drip(2), "no complete answer within 0.5 s"),
        (cut_off, "the answer was cut off"),
        (hang_up, "the connection was closed without an answer"),
        (
            lambda h, r: send(h, 200, b"", Content_Length=str(9 << 20)),
            f"the answer has {9 << 20} bytes, more than {8 << 20}",
        ),
    ],
    ids=["slow", "drip", "cut off", "hung up", "endless"],
)
def test_incomplete_responses_are_rejected(server, what, why: str) -> None:
    server.plan = [what]
    start = time.monotonic()
    with pytest.raises(NoResponse) as raised:
        ask(server)
    assert str(raised.value) == why
    assert time.monotonic() - start < 1.5


def test_no_server() -> None:
    with pytest.raises(NoResponse, match="ConnectionRefusedError"):
        send_request("http://127.0.0.1:1/v1/models", timeout_s=1)


def test_redirects_and_proxies_are_not_used(server, monkeypatch) -> None:
    monkeypatch.setenv("http_proxy", "http://192.0.2.1:3128")
    server.plan = [lambda h, r: send(h, 302, b"", Location="http://192.0.2.1/v1")]
    response = ask(server)
    assert (response.status, response.headers["location"]) == (302, "http://192.0.2.1/v1")
