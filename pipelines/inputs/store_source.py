"""Objects of S3, Google Cloud Storage and other stores of fsspec: their versions and downloads."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.inputs.addresses import format_error, get_scheme, make_missing_extra_error
from pipelines.inputs.errors import RetryableError, make_changed_error, make_not_allowed_error, make_not_found_error
from pipelines.inputs.versions import MISSING, UNKNOWN, Version, make_store_version

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

BLOCK_BYTES = 8 << 20
_OBJECT_REFUSED = ("AccessDenied", "AllAccessDisabled", "InvalidObjectState", "403")
"""S3's error codes for an object that may not be read. Other codes concern this machine's credentials."""
_NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError", "RefreshError")


def open_filesystem(location: str) -> "AbstractFileSystem":
    """Return the file system of this process, scheme and credentials. Raises UserError without its package."""
    environment = tuple(sorted((k, v) for k, v in os.environ.items() if k.startswith(("AWS_", "GOOGLE_", "STORAGE_"))))
    try:
        return _make_filesystem(get_scheme(location), os.getpid(), environment)
    except ImportError as e:
        raise make_missing_extra_error(location, e) from e


@functools.cache
def _make_filesystem(scheme: str, process: int, environment: tuple[tuple[str, str], ...]) -> "AbstractFileSystem":
    import fsspec

    options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
    if scheme == "s3":
        config: dict[str, Any] = {
            "retries": {"mode": "standard", "total_max_attempts": 3},
            "connect_timeout": 10,
            "read_timeout": 60,
            "max_pool_connections": 64,
        }
        if {"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"} & dict(environment).keys():
            config["s3"] = {"addressing_style": "path"}  # stores outside AWS seldom have one host name per bucket
        options["config_kwargs"] = config
    fs = fsspec.filesystem(scheme, **options)
    if scheme == "s3":
        fs.retries = 1  # botocore and `download` retry already; a third layer multiplies the waits
    return fs


async def read_version(location: str) -> Version:
    """Return the version of one object. Store errors give "missing" or "unknown"; the download then decides."""
    fs = open_filesystem(location)
    path = fs._strip_protocol(location)
    try:
        info = await fs._info(path) if fs.async_impl else fs.info(path)
    except FileNotFoundError:
        return Version(fallback=MISSING)
    except Exception:  # each store has its own exceptions; the download will meet the error again
        return Version(fallback=UNKNOWN)
    return make_store_version(info) if info["type"] == "file" else Version(fallback=MISSING)


class StoreTransfer:
    """One download in ranges, restarted where the object changed meanwhile."""

    def __init__(self, location: str, path: Path, *, size: int, stamp: str, timeout_s: float) -> None:
        self.location = location
        self.path = path
        self.size = size
        self.stamp = stamp
        self.timeout_s = timeout_s
        self.received = 0
        self._version = Version()

    def try_download(self) -> None:
        """Download or resume. Raises RetryableError where it breaks, SourceUnavailable for a missing object."""
        fs = open_filesystem(self.location)
        name = fs._strip_protocol(self.location)
        version = self._call_store(self._read_version, fs, name)
        if version.contradicts(self.stamp, self.size):
            raise make_changed_error()
        if version != self._version:
            self.received, self._version = 0, version
        self.path.touch()
        with self.path.open("r+b") as file:
            file.seek(self.received)
            while self.received < version.size:
                end = min(self.received + BLOCK_BYTES, version.size)
                data = self._call_store(self._read_block, fs, name, self.received, end)
                if len(data) != end - self.received:
                    raise RetryableError(f"the store sent {len(data)} of {end - self.received} bytes")
                file.write(data)
                self.received = end
            file.truncate(self.received)
        if self._call_store(self._read_version, fs, name) != version:
            raise RetryableError("the object was replaced while it was read")

    def _read_version(self, fs: "AbstractFileSystem", name: str) -> Version:
        try:
            info = self._request(fs, "info", name)
        except PermissionError:
            # The response to a HEAD has no body, so that its error code is unknown. That of a read has one.
            self._request(fs, "cat_file", name, start=0, end=1)
            raise
        if info["type"] != "file":
            raise FileNotFoundError(name)
        return make_store_version(info)

    def _read_block(self, fs: "AbstractFileSystem", name: str, start: int, end: int) -> bytes:
        return self._request(fs, "cat_file", name, start=start, end=end)

    def _request(self, fs: "AbstractFileSystem", request: str, *args: object, **options: object) -> Any:
        if not fs.async_impl:
            return getattr(fs, request)(*args, **options)
        from fsspec.asyn import sync

        return sync(fs.loop, getattr(fs, f"_{request}"), *args, timeout=2 * self.timeout_s, **options)

    def _call_store(self, request: Callable[..., Any], *args: object) -> Any:
        try:
            return request(*args)
        except FileNotFoundError as e:
            raise make_not_found_error() from e
        except TimeoutError as e:
            raise RetryableError(f"no answer within {2 * self.timeout_s:g} s") from e
        except Exception as e:  # each store has its own exceptions
            if type(e).__name__ in _NO_CREDENTIALS:
                raise ConnectionError(f"this machine has no credentials for the store: {format_error(e)}") from e
            if _is_refused(e):
                raise make_not_allowed_error(format_error(e)) from e
            raise RetryableError(format_error(e)) from e


def _is_refused(error: Exception) -> bool:
    """Whether this object may not be read, as opposed to expired or wrong credentials of this machine."""
    if isinstance(error, PermissionError):
        response = getattr(error.__cause__, "response", None) or {}
        return response.get("Error", {}).get("Code", "403") in _OBJECT_REFUSED
    return str(error).startswith("Forbidden")  # gcsfs
