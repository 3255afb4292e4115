"""One HTTP exchange with a deadline that holds for the whole of it, to the one host that the configuration names."""

import contextlib
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

_MAX_BYTES = 8 << 20


class NoAnswer(Exception):
    """Nothing whole came back: refused, cut off, too slow, too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What came back."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    body: bytes = b""


def exchange(url: str, *, timeout_s: float, key: str = "", body: Any = None) -> Response:
    """GET, or POST of `body` as JSON. Follows no redirect, asks no proxy, and reads no environment variable.

    Raises NoAnswer where no whole response is there within `timeout_s` seconds, however slowly it drips.
    """
    parts = urlsplit(url)
    connection = _connection(parts.scheme, parts.hostname or "", parts.port, timeout_s)
    late = threading.Event()
    sockets: list[socket.socket] = []  # the connection forgets its own when the server announces that it will close

    def give_up() -> None:
        late.set()
        for opened in sockets:
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)  # wakes the reader up

    headers = {"Accept": "application/json", "User-Agent": "humove"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    if body is not None:
        headers["Content-Type"] = "application/json"
    timer = threading.Timer(timeout_s, give_up)
    timer.daemon = True
    timer.start()
    try:
        data = None if body is None else json.dumps(body).encode()
        connection.connect()
        sockets.append(connection.sock)
        connection.request("GET" if body is None else "POST", parts.path or "/", body=data, headers=headers)
        response = connection.getresponse()
        said = {name.lower(): value for name, value in response.getheaders()}
        whole = _read(response)
    except (OSError, http.client.HTTPException) as e:
        raise NoAnswer(_why(e, late.is_set(), timeout_s)) from e
    finally:
        timer.cancel()
        connection.close()
    if late.is_set():
        raise NoAnswer(f"no whole answer within {timeout_s:g} s")
    return Response(status=response.status, headers=said, body=whole)


def _connection(scheme: str, host: str, port: int | None, timeout_s: float) -> http.client.HTTPConnection:
    if scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)
    return http.client.HTTPConnection(host, port, timeout=timeout_s)


def _read(response: http.client.HTTPResponse) -> bytes:
    if response.length is not None and response.length > _MAX_BYTES:
        raise NoAnswer(f"an answer of {response.length} bytes")
    if response.length is not None:
        return response.read()  # raises where the connection ends before the announced length
    whole = response.read(_MAX_BYTES + 1)
    if len(whole) > _MAX_BYTES:
        raise NoAnswer(f"an answer of more than {_MAX_BYTES} bytes")
    return whole


def _why(error: Exception, late: bool, timeout_s: float) -> str:
    if late or isinstance(error, TimeoutError):
        return f"no whole answer within {timeout_s:g} s"
    if isinstance(error, http.client.IncompleteRead):
        return "the answer was cut off"
    if isinstance(error, http.client.RemoteDisconnected):
        return "the connection was closed without an answer"
    return f"{type(error).__name__}: {error}"
