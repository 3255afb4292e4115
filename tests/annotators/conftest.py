"""Fixtures of the annotators' tests."""

import ipaddress
import socket

import pytest


class NetworkBlocked(OSError):
    """A test opened a connection outside loopback."""


def _is_loopback(host: object) -> bool:
    if isinstance(host, bytes):
        host = host.decode()
    if host in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False


@pytest.fixture
def no_network(monkeypatch):
    """Blocks sockets outside loopback in this process, and fails the test that tried one, even where the library
    swallowed the error. Yields the list of what was tried, which must stay empty."""
    tried: list[str] = []

    def refuse(host: object) -> None:
        tried.append(str(host))
        raise NetworkBlocked(f"the test blocks the network: {host!r} was requested")

    def guarded(name: str):
        real = getattr(socket.socket, name)

        def call(self, *args):
            address = args[-1]
            if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(address[0]):
                refuse(address[0])
            return real(self, *args)

        return call

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, guarded(name))
    real_getaddrinfo, real_gethostbyname = socket.getaddrinfo, socket.gethostbyname

    def getaddrinfo(host, *args, **kwargs):
        if not _is_loopback(host):
            refuse(host)
        return real_getaddrinfo(host, *args, **kwargs)

    def gethostbyname(host):
        if not _is_loopback(host):
            refuse(host)
        return real_gethostbyname(host)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket, "gethostbyname", gethostbyname)
    yield tried
    assert not tried, f"requested hosts outside loopback: {tried}"
