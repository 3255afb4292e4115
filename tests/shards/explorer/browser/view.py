"""A page of the explorer in a browser, and its servers."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect
from starlette.applications import Starlette

from shards.explorer.app import serve

CHROMIUM = shutil.which("chromium")
CLIPS = 3000
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
expect.set_options(timeout=20_000)  # a busy machine is slow, not wrong


class View:
    """A page of one server; it records every error, dialog and foreign request as a fault."""

    def __init__(self, page: Page, base: str) -> None:
        self.page, self.base, self.faults = page, base.rstrip("/"), []
        page.on("dialog", lambda dialog: (self.faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("console", self._check_message)
        page.on("request", self._check_request)
        page.on("response", self._check_response)

    def _check_request(self, request) -> None:
        if not request.url.startswith((self.base, "blob:")):
            self.faults.append(f"requests {urlsplit(request.url).netloc} for {request.url[:80]}")

    def _check_message(self, message) -> None:
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.faults.append(f"console: {message.text}")

    def _check_response(self, response) -> None:
        if response.status >= 400 and not response.url.endswith(".jpg"):  # a clip may have no thumbnail
            self.faults.append(f"{response.status}: {response.url}")

    def open(self, path: str = "/") -> Page:
        self.page.goto(self.base + path)
        return self.page

    def post(self, path: str, body: dict) -> dict:
        """Post a request from the page, and return the answer."""
        answer = self.page.evaluate(
            """([path, body]) => fetch(path, {method: "POST", body: JSON.stringify(body),
                 headers: {"Content-Type": "application/json"}}).then((response) => response.text())""",
            [path, body],
        )
        return json.loads(answer)

    def ignore_status(self, status: str) -> None:
        """Drop the faults of this status so far: the test expected them."""
        self.faults = [fault for fault in self.faults if not fault.startswith(status)]

    def wait_for_frame(self, k: int) -> None:
        """Wait until the video shows frame k."""
        self.page.wait_for_function("k => document.querySelector('#player')?.dataset.frame === String(k)", arg=k)


def start_server(app: Starlette) -> str:
    """Serve an app until the tests end; return its address."""
    ready, address = threading.Event(), []
    threading.Thread(target=serve, args=(app, 0, lambda url: (address.append(url), ready.set())), daemon=True).start()
    assert ready.wait(20)
    return address[0]


class ViewProcess:
    """`humove view` as a process of its own."""

    def __init__(self, path: Path) -> None:
        code = "import sys; from humove.cli import main; sys.argv[1:] = ['view', sys.argv[1], '--port', '0']; main()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, str(path)],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        line = self._process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/", line)
        assert found, f"humove view printed {line!r}"
        self.url = found[0]

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._process.stdout.close()


def expect_total(page: Page, number: int) -> None:
    expect(page.locator(".toolbar .total")).to_have_attribute("data-total", str(number))
