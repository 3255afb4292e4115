"""The guard of the annotators' tests blocks the network and allows loopback."""

import socket
import urllib.error
import urllib.request

import pytest


def test_hosts_outside_loopback_are_blocked_and_recorded(no_network: list[str]) -> None:
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen("http://models.example.org/x.pt", timeout=1)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as outside, pytest.raises(OSError, match="blocks"):
        outside.connect(("192.0.2.1", 80))
    assert no_network == ["models.example.org", "192.0.2.1"]
    no_network.clear()  # or the fixture would fail this test, as it must any other


def test_loopback_is_allowed(no_network: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname(), timeout=5):
        assert not no_network
