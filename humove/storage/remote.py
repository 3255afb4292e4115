"""A store in an object store or at a web address, through fsspec."""

import os
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from humove.errors import UserError
from humove.storage.local import explain_os_errors, write_atomically
from humove.storage.ranged_file import RangedFile
from humove.storage.remote_errors import explain_error
from humove.storage.store import Store, StoreEntry, check_name

PART_BYTES = 16 << 20
PARTS_AT_ONCE = 4
DELETE_AT_ONCE = 1000
"""S3's limit for one request."""
_ATTEMPTS = {"s3": 1, "gs": 1}
"""Attempts of a request here: s3fs and gcsfs retry themselves, the other file systems do not."""
_DEFAULT_ATTEMPTS = 4
_READ_ATTEMPTS = 2
"""Attempts of s3fs for interrupted answers; botocore retries each of its requests below it."""

_lock = threading.Lock()
_open: dict[object, Any] = {}
_inherited: list[Any] = []


def _forget_inherited() -> None:
    """Let a forked process open its own file systems; its parent's are kept so that they are not closed."""
    global _lock, _open
    _inherited.append(_open)
    _lock, _open = threading.Lock(), {}


os.register_at_fork(after_in_child=_forget_inherited)


class RemoteStore(Store):
    """A prefix of a bucket. Reads are single ranged requests, writes appear whole."""

    is_local = False

    def __init__(self, url: str) -> None:
        from fsspec.core import split_protocol

        self.location = url.rstrip("/")
        self.protocol = {"s3a": "s3", "gcs": "gs"}.get(protocol := split_protocol(url)[0], protocol)
        self._fs, self._process = None, 0
        self._root = ""
        self._get_filesystem()

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.location}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["url"])

    def read(self, name: str) -> bytes:
        return self._send_request(name, lambda fs, path: fs.cat_file(path))

    def read_range(self, name: str, start: int, end: int) -> bytes:
        if end <= start:
            return b""
        data = self._send_request(name, lambda fs, path: fs.cat_file(path, start=start, end=end))
        if len(data) > end - start:  # a server without ranged reads sends the whole file
            data = data[start:end]
        if len(data) < end - start:
            raise EOFError(f"{self.location}/{name} ends at byte {start + len(data)}; {end} were requested")
        return data

    def write(self, name: str, data: bytes) -> None:
        self._send_request(name, lambda fs, path: fs.pipe_file(path, data))

    def write_file(self, name: str, path: Path) -> None:
        options = {"chunksize": PART_BYTES} if self.protocol in ("s3", "gs") else {}
        if self.protocol == "s3":
            options["max_concurrency"] = PARTS_AT_ONCE
        if not path.is_file():
            raise FileNotFoundError(path)
        self._send_request(name, lambda fs, target: fs.put_file(str(path), target, **options))
        path.unlink()

    def fetch(self, name: str, path: Path) -> None:
        with explain_os_errors(str(path)), write_atomically(path) as temporary:
            self._send_request(name, lambda fs, source: fs.get_file(source, str(temporary)))

    def exists(self, name: str) -> bool:
        try:
            return self._get_info(name)["type"] == "file"
        except FileNotFoundError:
            return False

    def size(self, name: str) -> int:
        info = self._get_info(name)
        if info["type"] != "file":
            raise FileNotFoundError(f"{self.location}/{name}")
        if info["size"] is None:
            return len(self.read(name))
        return int(info["size"])

    def list(self, folder: str = "") -> list[StoreEntry]:
        try:
            found = self._send_request(folder or None, lambda fs, path: fs.find(path, withdirs=False, detail=True))
        except (FileNotFoundError, NotADirectoryError):
            return []
        skip = len(self._root) + 1
        listed = (StoreEntry(name=path[skip:], size=int(info["size"] or 0)) for path, info in found.items())
        inside = f"{folder}/" if folder else ""
        return sorted(
            (
                entry
                for entry in listed
                if entry.name.startswith(inside) and entry.name and not entry.name.endswith("/")
            ),
            key=lambda entry: entry.name,
        )

    def names(self, folder: str = "") -> set[str]:
        try:
            found = self._send_request(folder or None, lambda fs, path: fs.ls(path, detail=True))
        except (FileNotFoundError, NotADirectoryError):
            return set()
        own = f"{self._root}/{folder}".rstrip("/")
        paths = (info["name"].rstrip("/") for info in found)
        return {path.rpartition("/")[2] for path in paths if path != own}

    def delete(self, names: Iterable[str]) -> None:
        paths = [self._get_path(name) for name in names]
        if not paths:
            return
        if self.protocol == "s3":
            for first in range(0, len(paths), DELETE_AT_ONCE):
                part = paths[first : first + DELETE_AT_ONCE]
                done = self._send_request(
                    None, lambda fs, _, part=part: fs.call_s3("delete_objects", **_make_deletion(fs, part))
                )
                for failed in done.get("Errors", [])[:1]:
                    reason = f"{failed.get('Code')}: {failed.get('Message')}"
                    raise UserError(
                        f"{self.location}: {failed.get('Key')} can't be deleted ({reason}); check your rights"
                    )
            return

        def delete_one(name: str) -> None:
            try:
                self._send_request(name, lambda fs, path: fs.rm_file(path))
            except FileNotFoundError:
                return

        skip = len(self._root) + 1
        with ThreadPoolExecutor(min(16, len(paths))) as pool:
            list(pool.map(lambda path: delete_one(path[skip:]), paths))

    def copy(self, source: str, target: str) -> None:
        place = self._get_path(target)
        self._send_request(source, lambda fs, path: fs.cp_file(path, place))

    def open(self, name: str, size: int | None = None) -> IO[bytes]:
        return RangedFile(self, check_name(name), self.size(name) if size is None else size)

    def child(self, folder: str) -> Store:
        return RemoteStore(f"{self.location}/{check_name(folder)}") if folder else self

    def create(self, name: str, data: bytes) -> None:
        """Write a new file. FileExistsError if it exists (and the store supports conditional writes)."""
        self._send_request(name, lambda fs, path: fs.pipe_file(path, data, mode="create"))

    def replace_unchanged(self, name: str, data: bytes, tag: str) -> None:
        """Replace a file that still has the tag that `tag` returned. FileExistsError if it changed."""
        options = {"IfMatch": tag} if self.protocol == "s3" and tag else {}
        self._send_request(name, lambda fs, path: fs.pipe_file(path, data, **options))

    def tag(self, name: str) -> str:
        """Return the file's ETag, which changes with each write; "" if the store has none. FileNotFoundError."""
        return str(self._get_info(name).get("ETag") or "")

    def _get_info(self, name: str) -> dict[str, Any]:
        return self._send_request(name, lambda fs, path: fs.info(path))

    def _get_path(self, name: str) -> str:
        self._get_filesystem()
        return f"{self._root}/{check_name(name)}"

    def _send_request(self, name: str | None, request: Callable[[Any, str], Any]) -> Any:
        """Send a request for a file, or for the store's root if `name` is None."""
        fs = self._get_filesystem()
        path = self._root if name is None else self._get_path(name)
        attempts = _ATTEMPTS.get(self.protocol, _DEFAULT_ATTEMPTS)
        for attempt in range(1, attempts + 1):
            try:
                return request(fs, path)
            except Exception as error:  # file systems raise errors of many libraries
                meaning = explain_error(error, self.location, self.protocol, name or "")
                if not isinstance(meaning, ConnectionError) or attempt == attempts:
                    if meaning is error:
                        raise
                    raise meaning from error
            time.sleep(0.2 * 3**attempt)
        raise AssertionError("unreachable")

    def _get_filesystem(self) -> Any:
        if self._fs is None or self._process != os.getpid():
            self._fs, self._process = _open_filesystem(self.location, self.protocol), os.getpid()
            self._root = self._fs._strip_protocol(self.location).rstrip("/")
        return self._fs


def _open_filesystem(url: str, protocol: str) -> Any:
    """Open a file system once per process, protocol and credentials; all stores and threads share it."""
    environment = tuple(sorted((k, v) for k, v in os.environ.items() if k.startswith(("AWS_", "GOOGLE_", "STORAGE_"))))
    key = (os.getpid(), protocol, environment)
    with _lock:
        if key not in _open:
            try:
                _open[key] = _make_filesystem(protocol)
            except ImportError as error:
                raise UserError(
                    f"{url}: {error}; install the extra for this store: make setup EXTRAS={_get_extra(protocol)}"
                ) from error
            except ValueError as error:
                raise UserError(f"{url}: {error}; give a folder, or an address such as s3://bucket/set") from error
            except Exception as error:  # gcsfs looks for credentials on creation
                meaning = explain_error(error, url, protocol, "")
                if meaning is error:
                    raise
                raise meaning from error
        return _open[key]


def _make_filesystem(protocol: str) -> Any:
    import fsspec

    options: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
    if protocol == "s3":
        config: dict[str, Any] = {
            "retries": {"mode": "standard", "total_max_attempts": 4},
            "connect_timeout": 10,
            "read_timeout": 60,
            "max_pool_connections": 64,
        }
        if os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"):
            # Stores outside AWS seldom have one host name per bucket.
            config["s3"] = {"addressing_style": "path"}
        # One connection per read: with more, s3fs requests a file's size before it reads the file.
        fs = fsspec.filesystem("s3", config_kwargs=config, max_concurrency=1, **options)
        fs.retries = _READ_ATTEMPTS
        return fs
    if protocol == "gs":
        # gcsfs's default looks up each bucket's kind first, with another API.
        from gcsfs.core import GCSFileSystem

        return GCSFileSystem(**options)
    return fsspec.filesystem(protocol, **(options if protocol in ("http", "https") else {}))


def _get_extra(protocol: str) -> str:
    return protocol if protocol in ("s3", "gs") else "all"


def _make_deletion(fs: Any, paths: list[str]) -> dict[str, Any]:
    places = [fs.split_path(path) for path in paths]
    return {
        "Bucket": places[0][0],
        "Delete": {"Objects": [{"Key": key} for _, key, _ in places], "Quiet": True},
    }
