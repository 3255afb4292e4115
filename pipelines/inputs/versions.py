"""The version of a file, which identifies a change since the listing."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

MISSING = "missing"
UNKNOWN = "unknown"
_LAST_MODIFIED_MARGIN = timedelta(seconds=60)
_STORE_TAGS = ("generation", "ETag", "etag", "mtime", "LastModified", "created")
"""The version fields of object stores, the most reliable first."""


@dataclass(frozen=True, slots=True)
class Version:
    """Size and tags of a file at one moment."""

    size: int = 0
    """Bytes; 0 where unknown."""
    tags: tuple[str, ...] = ()
    """Entity tag and time of change; each changes with the content."""
    fallback: str = UNKNOWN
    """The stamp where neither size nor tags are known."""

    @property
    def stamp(self) -> str:
        return "-".join((*((str(self.size),) if self.size else ()), *self.tags)) or self.fallback

    def contradicts(self, stamp: str, size: int) -> bool:
        """Whether this differs from the version that was listed with `stamp` and `size`.

        One common tag is enough: the machines of one service may give the same file different entity tags.
        """
        if any(f"-{tag}-" in f"-{stamp}-" for tag in self.tags):
            return False
        if self.tags and stamp not in (MISSING, UNKNOWN, str(size)):
            return True
        return bool(size and self.size and size != self.size)


def read_local_version(location: str) -> Version:
    """Return the version of a local file. A missing or unreachable one gets the stamp "missing"."""
    try:
        stat = os.stat(location)
    except (OSError, ValueError):
        return Version(fallback=MISSING)
    return make_local_version(stat)


def make_local_version(stat: os.stat_result) -> Version:
    # An empty file needs a stamp too: size 0 stands for unknown.
    if not stat.st_size:
        return Version(fallback=f"0-{stat.st_mtime_ns}")
    return Version(stat.st_size, (str(stat.st_mtime_ns),))


def make_store_version(info: Mapping) -> Version:
    """Return the version of an object from fsspec's info; the same from a listing and from a single request."""
    tag = next((info[name] for name in _STORE_TAGS if info.get(name)), "")
    if isinstance(tag, datetime):
        tag = tag.timestamp()
    return Version(int(info.get("size") or 0), (str(tag).strip('"'),) if tag else ())


def make_http_version(headers: Mapping[str, str]) -> Version:
    """Return the version of a file from the headers of a response to a HEAD or a GET, full or partial."""
    encoded = headers.get("Content-Encoding", "identity") not in ("", "identity")
    length = headers.get("Content-Length", "")
    if "Content-Range" in headers:
        length = headers["Content-Range"].rpartition("/")[2]
    size = int(length) if length.isdigit() and not encoded else 0
    tags = (headers.get("ETag", "").removeprefix("W/").strip('"'), _read_last_modified(headers))
    return Version(size, tuple(tag for tag in tags if tag))


def _read_last_modified(headers: Mapping[str, str]) -> str:
    """Return Last-Modified as seconds since 1970; "" where it is the present time, as for dynamic pages."""
    try:
        modified = parsedate_to_datetime(headers["Last-Modified"])
        now = parsedate_to_datetime(headers["Date"]) if "Date" in headers else None
        if now is not None and now - modified < _LAST_MODIFIED_MARGIN:
            return ""
        return str(int(modified.timestamp()))
    except (KeyError, ValueError, TypeError, OverflowError):
        return ""
