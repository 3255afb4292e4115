"""One HTTP request with a deadline for the whole exchange."""

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


class NoResponse(Exception):
    """No complete response: refused, cut off, too slow, too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A complete response."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    body: bytes = b""


def send_request(url: str, *, timeout_s: float, key: str = "", body: Any = None) -> Response:
    """Send a GET, or a POST of `body` as JSON. Follows no redirect and uses no proxy or environment variable.

    Raises NoResponse if there is no complete response within `timeout_s` seconds, even if parts of it arrive.
    """
    parts = urlsplit(url)
    connection = _open_connection(parts.scheme, parts.hostname or "", parts.port, timeout_s)
    expired = threading.Event()
    sockets: list[socket.socket] = []  # the connection drops its own when the server announces that it will close

    def abort() -> None:
        expired.set()
        for opened in sockets:
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)  # wakes the reader up

    headers = {"Accept": "application/json", "User-Agent": "humove"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    if body is not None:
        headers["Content-Type"] = "application/json"
    timer = threading.Timer(timeout_s, abort)
    timer.daemon = True
    timer.start()
    try:
        data = None if body is None else json.dumps(body).encode()
        connection.connect()
        sockets.append(connection.sock)
        connection.request("GET" if body is None else "POST", parts.path or "/", body=data, headers=headers)
        response = connection.getresponse()
        received = {name.lower(): value for name, value in response.getheaders()}
        content = _read_body(response)
    except (OSError, http.client.HTTPException) as e:
        raise NoResponse(_format_error(e, expired.is_set(), timeout_s)) from e
    finally:
        timer.cancel()
        connection.close()
    if expired.is_set():
        raise NoResponse(f"no complete answer within {timeout_s:g} s")
    return Response(status=response.status, headers=received, body=content)


def _open_connection(scheme: str, host: str, port: int | None, timeout_s: float) -> http.client.HTTPConnection:
    if scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)
    return http.client.HTTPConnection(host, port, timeout=timeout_s)


def _read_body(response: http.client.HTTPResponse) -> bytes:
    if response.length is not None and response.length > _MAX_BYTES:
        raise NoResponse(f"the answer has {response.length} bytes, more than {_MAX_BYTES}")
    if response.length is not None:
        return response.read()  # raises where the connection ends before the announced length
    content = response.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise NoResponse(f"the answer has more than {_MAX_BYTES} bytes")
    return content


def _format_error(error: Exception, expired: bool, timeout_s: float) -> str:
    if expired or isinstance(error, TimeoutError):
        return f"no complete answer within {timeout_s:g} s"
    if isinstance(error, http.client.IncompleteRead):
        return "the answer was cut off"
    if isinstance(error, http.client.RemoteDisconnected):
        return "the connection was closed without an answer"
    return f"{type(error).__name__}: {error}"
