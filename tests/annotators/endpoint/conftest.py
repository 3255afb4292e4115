"""A real HTTP server on loopback with the chat protocol and configurable faults."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from annotators.captions.inputs import CaptionInput
from humove.video.frames import ArrayFrames
from tests.annotators.captions.conftest import Scene

GOOD = {
    "appearance": "a person in a red shirt",
    "background": "a bright gym",
    "action": "swings a golf club",
    "full": "A person in a red shirt swings a golf club in a bright gym.",
    "category": "golf",
}
MODEL = "tiny-vl"


@dataclass
class Served:
    """The requests to the server, and its answers: the plan's entries in order, then `good`.

    An entry is a function of the handler and the request, or a number: that status.
    """

    url: str
    plan: list[Callable | int] = field(default_factory=list)
    good: Callable | None = None
    models: object = field(default_factory=lambda: {"data": [{"id": MODEL}]})
    requests: list[dict] = field(default_factory=list)
    headers: list[dict] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    all_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    for name, value in ({"Content-Length": str(len(body))} | all_headers).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def completion(text: str, reason: str = "stop", **message: object) -> bytes:
    reply = {"role": "assistant", "content": text, **message}
    return json.dumps({"choices": [{"index": 0, "message": reply, "finish_reason": reason}]}).encode()


def says(text: str, reason: str = "stop", **message: object) -> Callable:
    """Answer with this text."""
    return lambda handler, request: send(handler, 200, completion(text, reason, **message))


def slow(seconds: float) -> Callable:
    """Wait, then answer validly."""

    def answer(handler: BaseHTTPRequestHandler, request: dict) -> None:
        time.sleep(seconds)
        says(json.dumps(GOOD))(handler, request)

    return answer


def drip(seconds: float) -> Callable:
    """Send a byte at intervals: no read times out, and the answer never completes."""

    def answer(handler: BaseHTTPRequestHandler, request: dict) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            handler.wfile.write(b" ")
            time.sleep(0.02)

    return answer


def cut_off(handler: BaseHTTPRequestHandler, request: dict) -> None:
    """Announce a complete answer and send half of it."""
    whole = completion(json.dumps(GOOD))
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(whole)))
    handler.end_headers()
    handler.wfile.write(whole[: len(whole) // 2])


def hang_up(handler: BaseHTTPRequestHandler, request: dict) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True


@pytest.fixture
def server() -> Iterator[Served]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            served.headers.append(dict(self.headers))
            if isinstance(served.models, int):
                send(self, served.models, b'{"error": {"message": "no such page"}}')
            else:
                send(self, 200, json.dumps(served.models).encode())

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with served.lock:
                served.requests.append(request)
                served.headers.append(dict(self.headers))
                served.times.append(time.monotonic())
                what = served.plan.pop(0) if served.plan else served.good
            try:
                if isinstance(what, int):
                    send(self, what, json.dumps({"error": {"message": f"configured to answer {what}"}}).encode())
                else:
                    what(self, request)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the client timed out, as it should

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.daemon_threads = True
    served = Served(url=f"http://127.0.0.1:{web.server_port}/v1", good=says(json.dumps(GOOD)))
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield served
    web.shutdown()
    web.server_close()
    thread.join()


def clip_of(colour: tuple[int, int, int], seconds: float = 1.0, side: str = "left") -> CaptionInput:
    """A person raising an arm before a wall of one colour."""
    motion, pose = Scene(seconds=seconds).raise_arm(side, 0.2, 0.8).shot()
    picture = np.full((720, 640, 3), colour, np.uint8)
    return CaptionInput(
        frames=ArrayFrames([picture] * len(motion.valid), 30), pose2d=pose, motion=motion, fps=Fraction(30)
    )


@pytest.fixture(scope="session")
def clip() -> CaptionInput:
    return clip_of((30, 60, 170))
