"""Files on web servers: their versions, and downloads that resume after a failure."""

import asyncio
import re
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from humove.reasons import Reason
from pipelines.inputs.addresses import format_error
from pipelines.inputs.errors import (
    RetryableError,
    SourceUnavailable,
    make_changed_error,
    make_not_allowed_error,
    make_not_found_error,
)
from pipelines.inputs.versions import MISSING, UNKNOWN, Version, make_http_version

if TYPE_CHECKING:
    import aiohttp
    import yarl

T = TypeVar("T")

BLOCK_BYTES = 256 << 10
"""Bytes that must arrive within one time limit."""
_GONE = (404, 410)
_REFUSED = (401, 402, 403, 451)
_BUSY = (408, 425, 429)
_ENCODED = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*")
# A server that compresses on the fly would send bytes that differ from the file, of unknown size.
_HEADERS = {"Accept-Encoding": "identity"}


def run_coroutine(coroutine: Coroutine[None, None, T]) -> T:
    """Run a coroutine in fsspec's event loop, from any thread; an interrupt cancels it."""
    from fsspec.asyn import get_loop

    future = asyncio.run_coroutine_threadsafe(coroutine, get_loop())
    try:
        return future.result()
    finally:
        future.cancel()


@asynccontextmanager
async def open_session(*, timeout_s: float, connections: int = 1) -> AsyncIterator["aiohttp.ClientSession"]:
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=timeout_s, sock_read=timeout_s)
    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector, headers=_HEADERS, trust_env=True) as session:
        yield session


def make_url(location: str) -> "yarl.URL":
    """Return the URL to request. An encoded one stays as it is: a signature may depend on each character."""
    import yarl

    return yarl.URL(location.partition("#")[0], encoded=bool(_ENCODED.fullmatch(location)))


async def read_version(session: "aiohttp.ClientSession", location: str) -> Version:
    """Return the version of one file. Server errors give "missing" or "unknown"; the download then decides."""
    import aiohttp

    try:
        async with session.head(make_url(location), allow_redirects=True) as response:
            status, headers = response.status, response.headers
        if status >= 400 and status not in (*_GONE, *_BUSY):  # not every server, nor every signature, allows HEAD
            async with session.get(make_url(location), headers={"Range": "bytes=0-0"}) as response:
                status, headers = response.status, response.headers
                response.close()  # a server without ranges sends the whole file
    except (aiohttp.ClientError, OSError, ValueError):
        return Version()
    if status >= 400:
        return Version(fallback=MISSING if status in _GONE else UNKNOWN)
    return make_http_version(headers)


class HttpTransfer:
    """One download in several attempts; between them `received` bytes of the file are on the disk."""

    def __init__(self, location: str, path: Path, *, size: int, stamp: str, timeout_s: float) -> None:
        self.location = location
        self.path = path
        self.size = size
        self.stamp = stamp
        self.timeout_s = timeout_s
        self.received = 0
        self._validator = ""
        """The strong entity tag or time of change that a resumed download must match; "" where it can't resume."""

    def try_download(self) -> None:
        """Download or resume. Raises RetryableError where it breaks, SourceUnavailable for a missing file."""
        import aiohttp

        try:
            run_coroutine(self._request_file())
        except aiohttp.InvalidURL as e:
            raise SourceUnavailable(Reason.UNREADABLE, "is not a valid URL") from e
        except aiohttp.TooManyRedirects as e:
            raise SourceUnavailable(Reason.UNREADABLE, "is redirected without end") from e
        except TimeoutError as e:
            raise RetryableError(f"no answer within {self.timeout_s:g} s") from e
        except (aiohttp.ClientError, ConnectionError) as e:
            raise RetryableError(format_error(e)) from e

    async def _request_file(self) -> None:
        headers = {}
        if self.received and self._validator:
            headers = {"Range": f"bytes={self.received}-", "If-Range": self._validator}
        async with (
            open_session(timeout_s=self.timeout_s) as session,
            session.get(make_url(self.location), headers=headers) as response,
        ):
            self._check_status(response.status, response.headers)
            version = make_http_version(response.headers)
            if version.contradicts(self.stamp, self.size):
                raise make_changed_error()
            self._find_start(response)
            self._validator = _get_validator(response.headers)
            await self._write_body(response)
            encoded = "Content-Encoding" in response.headers
        expected = version.size or (0 if encoded else self.size)
        if expected and self.received != expected:
            if self.received > expected:
                raise make_changed_error()
            raise RetryableError(f"the connection ended after {self.received} of {expected} bytes")

    def _check_status(self, status: int, headers: Mapping[str, str]) -> None:
        if status in _GONE:
            raise make_not_found_error()
        if status in _REFUSED:
            raise make_not_allowed_error(f"HTTP {status}")
        if status == 416 and self.received:
            self._reset_download("the server refuses the rest of the file")
        if status in _BUSY or status >= 500 or status == 407:
            raise RetryableError(f"HTTP {status}", wait_s=_read_retry_after(headers))
        if status not in (200, 206):
            raise SourceUnavailable(Reason.UNREADABLE, f"the server answered HTTP {status}")

    def _find_start(self, response: "aiohttp.ClientResponse") -> None:
        """Set where the body starts in the file: a server may send all of it, not only the requested rest."""
        if response.status == 200:
            self.received = 0
            return
        start = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        etag = response.headers.get("ETag", "")
        other = self._validator.startswith('"') and etag not in ("", self._validator)
        if not start or int(start[1]) != self.received or other:
            self._reset_download("the server sent another part of the file than the requested one")

    def _reset_download(self, why: str) -> None:
        self.received, self._validator = 0, ""
        raise RetryableError(why)

    async def _write_body(self, response: "aiohttp.ClientResponse") -> None:
        """Write the body as it arrives. Raises TimeoutError where a block takes longer than the time limit."""
        loop = asyncio.get_running_loop()
        self.path.touch()
        with self.path.open("r+b") as file:
            file.seek(self.received)
            async with asyncio.timeout(self.timeout_s) as limit:
                block_end = self.received + BLOCK_BYTES
                async for chunk in response.content.iter_any():
                    file.write(chunk)
                    self.received += len(chunk)
                    if self.received >= block_end:
                        block_end = self.received + BLOCK_BYTES
                        limit.reschedule(loop.time() + self.timeout_s)
            file.truncate(self.received)


def _get_validator(headers: Mapping[str, str]) -> str:
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified", "")


def _read_retry_after(headers: Mapping[str, str]) -> float | None:
    text = headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
