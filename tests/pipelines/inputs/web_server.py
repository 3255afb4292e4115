"""A web server on loopback that fails as configured, and counts what it sends."""

import re
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A failure of one GET of a file."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = -1
    """Send this many bytes of the body, then close the connection."""
    reset: bool = False
    """Close with a reset instead of an orderly end."""
    stall_s: float = 0.0
    """Wait this long after `cut` bytes."""
    trickle_s: float = 0.0
    """Wait this long after each piece."""
    piece: int = 1000
    """Bytes of a piece."""


@dataclass(slots=True, kw_only=True)
class ServedFile:
    body: bytes = b""
    etag: str = ""
    modified: str = ""
    ranges: bool = True
    length: bool = True
    delay_s: float = 0.0
    head: int = 200
    status: int = 200
    location: str = ""
    credentials: str = ""
    """The Authorization header that a request must have."""
    failures: list[Failure] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    span: str
    sent: int


class WebServer:
    """A server of `files` by path (without query) that records its requests."""

    def __init__(self) -> None:
        self.files: dict[str, ServedFile] = {}
        self.requests: list[Request] = []
        self.lock = threading.Lock()
        self._http = _QuietServer(("127.0.0.1", 0), _make_handler(self))
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        self.port = self._http.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def serve(self, path: str, body: bytes = b"", **options: object) -> str:
        """Add a file and return its URL."""
        self.files[path] = ServedFile(body=body, **options)
        return f"{self.url}{path}"

    def list_requests(self, method: str = "GET") -> list[Request]:
        with self.lock:
            return [request for request in self.requests if request.method == method]

    def count_sent(self) -> int:
        return sum(request.sent for request in self.list_requests())

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None: ...


def _make_handler(server: WebServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            file = self._find_file()
            if file is not None:
                self._record_request(0)
                time.sleep(file.delay_s)
                self._send_head(file, file.head if file.head != 200 else file.status, len(file.body), {})

        def do_GET(self) -> None:
            file = self._find_file()
            if file is None:
                return
            with server.lock:
                failure = file.failures.pop(0) if file.failures else Failure()
            time.sleep(file.delay_s)
            if failure.status:
                self._record_request(0)
                self._send_head(file, failure.status, 0, failure.headers)
                return
            start, end, extra = 0, len(file.body), {}
            span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            condition = self.headers.get("If-Range", "")
            status = file.status
            if span and status == 200 and file.ranges and condition in ("", file.etag, file.modified):
                start, status = int(span[1]), 206
                end = min(end, int(span[2]) + 1) if span[2] else end
                extra = {"Content-Range": f"bytes {start}-{end - 1}/{len(file.body)}"}
            body = file.body[start:end]
            sent = body if failure.cut < 0 else body[: failure.cut]
            self._record_request(len(sent))
            self._send_head(file, status, len(body), extra)
            step = failure.piece if failure.trickle_s else max(1, len(sent))
            for piece in range(0, len(sent), step):
                self.wfile.write(sent[piece : piece + step])
                self.wfile.flush()
                time.sleep(failure.trickle_s)
            if failure.stall_s:
                time.sleep(failure.stall_s)
            if failure.reset:
                time.sleep(0.2)  # a reset discards what the client has not read yet
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()

        def _find_file(self) -> ServedFile | None:
            file = server.files.get(unquote(urlsplit(self.path).path))
            if file is None:
                self._record_request(0)
                self.send_error(404)
            elif file.credentials and self.headers.get("Authorization") != file.credentials:
                self._record_request(0)
                self.send_error(401)
                return None
            return file

        def _record_request(self, sent: int) -> None:
            with server.lock:
                server.requests.append(Request(self.command, self.path, self.headers.get("Range", ""), sent))

        def _send_head(self, file: ServedFile, status: int, length: int, extra: dict[str, str]) -> None:
            self.send_response(status)
            headers = {"ETag": file.etag, "Last-Modified": file.modified, "Location": file.location, **extra}
            if file.length or status not in (200, 206):
                headers["Content-Length"] = str(length)
            for name, value in headers.items():
                if value:
                    self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    return Handler
