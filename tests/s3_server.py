"""An S3-speaking server on loopback, behind a proxy that counts requests and bytes and can be told to fail."""

import http.client
import os
import re
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

REGION = "us-east-1"
_CODES = {403: "AccessDenied", 404: "NoSuchKey", 429: "SlowDown", 500: "InternalError", 503: "SlowDown"}
_HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What passed through the proxy since the last reset: bytes of bodies, sent to the server and from it."""

    requests: int
    bytes_in: int
    bytes_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request; `span` is its Range header, "" without one."""

    method: str
    path: str
    span: str
    status: int
    bytes_in: int
    bytes_out: int


class S3Server:
    """A moto server in a process of its own, reached through `url`."""

    def __init__(self) -> None:
        self._server_port = find_free_port()
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self._server_port)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._failures: list[tuple[int, re.Pattern[str]]] = []
        self._proxy = _Proxy(("127.0.0.1", 0), _make_handler(self))
        threading.Thread(target=self._proxy.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._proxy.server_address[1]}"
        self._wait_until_up()

    @property
    def env(self) -> dict[str, str]:
        """The environment variables that lead a program to this server."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def make_bucket(self, name: str) -> str:
        """Create a bucket and return its address."""
        status, body = self._ask("PUT", f"/{name}")
        if status not in (200, 409):
            raise RuntimeError(f"{name}: {status} {body!r}")
        return f"s3://{name}"

    def count(self) -> Traffic:
        """Requests and bytes since the last reset."""
        with self._lock:
            return Traffic(
                requests=len(self._requests),
                bytes_in=sum(one.bytes_in for one in self._requests),
                bytes_out=sum(one.bytes_out for one in self._requests),
            )

    def requests(self, method: str = "", path: str = "") -> list[Request]:
        """Requests since the last reset, of a method and with `path` (a regular expression) in their path."""
        with self._lock:
            return [one for one in self._requests if method in ("", one.method) and re.search(path, one.path)]

    def fail_next(self, n: int, status: int = 503, request: str = "") -> None:
        """Answer the next `n` requests with `status`; only those whose "METHOD /path" has `request` (a regex) in it."""
        with self._lock:
            self._failures += [(status, re.compile(request))] * n

    def reset(self) -> None:
        """Count from zero, and fail no more."""
        with self._lock:
            self._requests.clear()
            self._failures.clear()

    def close(self) -> None:
        """Stop both servers."""
        self._proxy.shutdown()
        self._proxy.server_close()
        self._process.terminate()
        self._process.wait(timeout=30)

    def take_failure(self, request: str) -> int:
        """The status that this request is to fail with; 0 where it is not to fail."""
        with self._lock:
            for place, (status, pattern) in enumerate(self._failures):
                if pattern.search(request):
                    del self._failures[place]
                    return status
        return 0

    def note(self, request: Request) -> None:
        """Count one request."""
        with self._lock:
            self._requests.append(request)

    def connect(self) -> http.client.HTTPConnection:
        """A connection to the server behind the proxy."""
        return http.client.HTTPConnection("127.0.0.1", self._server_port, timeout=60)

    def _ask(self, method: str, path: str) -> tuple[int, bytes]:
        connection = self.connect()
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _wait_until_up(self) -> None:
        for _ in range(300):
            try:
                self._ask("GET", "/moto-api/")
                return
            except OSError:
                if self._process.poll() is not None:
                    raise RuntimeError("moto's server ended; is moto[server] installed?") from None
                time.sleep(0.1)
        raise RuntimeError("moto's server did not start within 30 s")


class _Proxy(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away before the answer is no error of a test."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def find_free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _make_handler(server: S3Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def _forward(self) -> None:
            sent = self._read_body()
            status = server.take_failure(f"{self.command} {self.path}")
            if status:
                code = _CODES.get(status, "InternalError")
                text = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>told to fail</Message></Error>'
                headers, body = [("Content-Type", "application/xml")], text.encode()
            else:
                status, headers, body = self._ask(sent)
            received = b"" if self.command == "HEAD" else body
            server.note(
                Request(
                    method=self.command,
                    path=self.path,
                    span=self.headers.get("Range", ""),
                    status=status,
                    bytes_in=len(sent),
                    bytes_out=len(received),
                )
            )
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            if not any(name.lower() == "content-length" for name, _ in headers) and status not in (204, 304):
                self.send_header("Content-Length", str(len(received)))
            self.end_headers()
            self.wfile.write(received)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _forward

        def _read_body(self) -> bytes:
            if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(parts)

        def _ask(self, sent: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
            connection = server.connect()
            try:
                headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP_BY_HOP}
                headers["Content-Length"] = str(len(sent))
                connection.request(self.command, self.path, body=sent, headers=headers)
                answer = connection.getresponse()
                body = answer.read()
                kept = [(k, v) for k, v in answer.getheaders() if k.lower() not in _HOP_BY_HOP]
                return answer.status, kept, body
            finally:
                connection.close()

    return Handler


@pytest.fixture(scope="session")
def s3_session():
    """One S3 server for the whole run."""
    server = S3Server()
    yield server
    server.close()


@pytest.fixture
def s3(s3_session: S3Server, monkeypatch):
    """The S3 server, counting from zero, with the environment that leads to it."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in s3_session.env.items():
        monkeypatch.setenv(name, value)
    s3_session.reset()
    yield s3_session
    s3_session.reset()
