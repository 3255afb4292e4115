"""Responses to HTTP range requests, so that a video inside a tar can be played and sought."""

import re
from collections.abc import Iterator
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from shards.explorer.media import FilePart, Mp4

_FILE_BLOCK, _STORE_BLOCK = 1 << 18, 1 << 20
"""Bytes per read of a local file, and of a file of a store."""
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def respond_with_range(request: Request, mp4: Mp4, media_type: str) -> Response:
    """Return the whole file (200), the requested range (206), or 416 for a range outside the file.

    Several ranges or an invalid header get the whole file, as HTTP allows.
    """
    size = _get_size(mp4)
    headers = {"Accept-Ranges": "bytes", "Cache-Control": "no-cache"}
    span = _parse_range(request.headers.get("range", ""), size)
    if span == ():
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{size}"})
    start, end = span or (0, size)
    if span:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    headers["Content-Length"] = str(end - start)
    body = _read_blocks(mp4, start, end) if request.method != "HEAD" else iter(())
    return StreamingResponse(body, status_code=206 if span else 200, headers=headers, media_type=media_type)


def _get_size(mp4: Mp4) -> int:
    if isinstance(mp4, bytes):
        return len(mp4)
    return mp4.stat().st_size if isinstance(mp4, Path) else mp4.size


def _parse_range(header: str, size: int) -> tuple[int, int] | tuple[()] | None:
    """Parse a Range header into [start, end); () for a range outside the file, None for the whole file."""
    match = _RANGE.fullmatch(header.strip())
    if match is None or match[0].strip() == "bytes=-":
        return None
    first, last = match.groups()
    if not first:  # a suffix range: the last N bytes
        return (max(0, size - int(last)), size) if int(last) and size else ()
    start, end = int(first), min(size, int(last) + 1) if last else size
    if last and int(last) < int(first):
        return None
    return (start, end) if start < size else ()


def _read_blocks(mp4: Mp4, start: int, end: int) -> Iterator[bytes]:
    if isinstance(mp4, bytes):
        yield mp4[start:end]
        return
    if isinstance(mp4, FilePart):
        for first in range(start, end, _STORE_BLOCK):
            yield mp4.read(first, min(first + _STORE_BLOCK, end))
        return
    with mp4.open("rb") as file:
        file.seek(start)
        left = end - start
        while left and (block := file.read(min(_FILE_BLOCK, left))):
            left -= len(block)
            yield block
