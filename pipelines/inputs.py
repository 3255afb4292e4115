"""The input list of a build: a folder, a glob, a manifest or a URL becomes one `InputRef` a video file."""

import csv
import glob
import hashlib
import io
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import fsspec
import pyarrow.parquet as pq

from humove.errors import UserError
from humove.types import Source

MANIFEST_SUFFIXES = (".csv", ".parquet", ".jsonl", ".ndjson")
# Found in folders and globs. A manifest may name any file: what it is decides the probe, not its name.
VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp",
    ".ogv", ".mxf", ".vob", ".y4m", ".h264", ".hevc",
)  # fmt: skip
REMOTE_SCHEMES = ("http", "https", "s3", "gs", "gcs", "file", "memory")
MANIFEST_COLUMNS = tuple(f.name for f in fields(Source) if f.name != "category_source")


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRef:
    """One video as the user named it. Nothing of it has been read yet."""

    uri: str
    """What the manifest says, else the path relative to VIDEOS."""
    location: str
    """Where to read it: an absolute path or a URL."""
    stamp: str
    """Size and time of change, or the store's tag: tells a changed file from a known one."""
    source: Source

    @property
    def input_id(self) -> str:
        """The name of this input in the ledger: uri and stamp, so that a changed file is a new input."""
        return hashlib.sha256(f"{self.uri}\0{self.stamp}".encode()).hexdigest()[:16]

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)  # ASCII: a location may hold bytes that are no UTF-8

    @classmethod
    def from_json(cls, line: str) -> "InputRef":
        row = json.loads(line)
        return cls(**{**row, "source": Source(**row["source"])})


def is_url(text: str) -> bool:
    return urlsplit(text).scheme in REMOTE_SCHEMES


def list_inputs(videos: str) -> list[InputRef]:
    """Every video that `videos` names, sorted by uri: a folder, a glob, a manifest file, one video file, or a URL.

    Raises UserError where the place is missing, holds no video, or a manifest is malformed.
    """
    path = Path(videos).expanduser()
    suffix = Path(urlsplit(videos).path if is_url(videos) else videos).suffix.lower()
    if suffix in MANIFEST_SUFFIXES:
        inputs = list(_from_manifest(videos))
    elif is_url(videos):
        inputs = [_input(uri=videos, location=videos, source=Source())]
    elif path.is_dir():
        inputs = [_from_file(p, path) for p in sorted(path.rglob("*")) if _is_video(p)]
    elif path.is_file():
        inputs = [_from_file(path, path.parent)]
    elif glob.has_magic(videos):
        root = _glob_root(path)
        named = bool(path.suffix) and not glob.has_magic(path.suffix)  # *.dat means those, * means the videos
        found = map(Path, glob.glob(str(path), recursive=True))
        inputs = [_from_file(p, root) for p in found if (p.is_file() if named else _is_video(p))]
    else:
        raise UserError(f"VIDEOS={videos}: no such folder, file or manifest; name one that exists")
    if not inputs and suffix in MANIFEST_SUFFIXES:
        raise UserError(f"VIDEOS={videos}: the manifest has no rows; write one a video")
    if not inputs:
        kinds = " ".join(VIDEO_SUFFIXES)
        raise UserError(f"VIDEOS={videos}: no video found there; looked for files ending in {kinds}")
    inputs.sort(key=lambda i: i.uri)
    places: dict[str, str] = {}
    for item in inputs:
        if item.location in places:
            also = f" (as {places[item.location]})" if places[item.location] != item.uri else ""
            raise UserError(f"VIDEOS={videos}: {item.uri} is named twice{also}; remove one of the rows")
        places[item.location] = item.uri
    return inputs


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES and path.is_file() and not path.name.startswith(".")


def _glob_root(pattern: Path) -> Path:
    parts = []
    for part in pattern.parts[:-1]:
        if glob.has_magic(part):
            break
        parts.append(part)
    return Path(*parts) if parts else Path(".")


def _from_file(path: Path, root: Path) -> InputRef:
    """The category is the first folder below VIDEOS, if the file lies in one."""
    relative = path.relative_to(root)
    named = len(relative.parts) > 1
    source = Source(category=relative.parts[0], category_source="folder") if named else Source()
    # A name that is no UTF-8 can't stand in JSON or Parquet; there its odd bytes are spelt out.
    uri = os.fsencode(relative.as_posix()).decode("utf-8", "backslashreplace")
    return _input(uri=uri, location=str(path.resolve()), source=source)


def _input(*, uri: str, location: str, source: Source) -> InputRef:
    return InputRef(uri=uri, location=location, stamp=_stamp(location), source=source)


def changed(item: InputRef) -> bool:
    """Whether a local file is gone, or another one than when its batch was frozen."""
    return not is_url(item.location) and _stamp(item.location) != item.stamp


def _stamp(location: str) -> str:
    """Never raises for a file that is missing or out of reach: that is found, and counted, when it is read."""
    if not is_url(location):
        try:
            stat = Path(location).stat()
        except OSError:
            return "missing"
        return f"{stat.st_size}-{stat.st_mtime_ns}"
    try:
        info = fsspec.url_to_fs(location)[0].info(location)
    except ImportError as e:
        raise _no_store(location, e) from e
    except (OSError, ValueError):
        return "missing"
    return "-".join(str(info[k]) for k in ("size", "ETag", "etag", "mtime", "LastModified") if info.get(k)) or "unknown"


def _no_store(location: str, error: ImportError) -> UserError:
    return UserError(f"{location}: {error}; install the extra for this store, e.g. make setup EXTRAS=s3")


def _from_manifest(manifest: str) -> Iterator[InputRef]:
    """Relative uris are relative to the manifest, be it a file or a URL."""
    base = Path(manifest).resolve().parent
    for number, row in enumerate(_rows(manifest), start=1):
        said = {
            k: _text(manifest, number, k, row[k]) for k in ("uri", *MANIFEST_COLUMNS) if row.get(k) not in (None, "")
        }
        uri = said.pop("uri", "")
        if not uri:
            raise UserError(f"{manifest}: row {number} has no uri; every row needs one in the column 'uri'")
        if said.get("split", "train") not in ("train", "val", "test"):
            raise UserError(f"{manifest}: row {number} has split {said['split']!r}; use train, val or test")
        if "category" in said:
            said["category_source"] = "manifest"
        if is_url(manifest):
            location = urljoin(manifest, uri)
        else:
            location = uri if is_url(uri) else str((base / Path(uri).expanduser()).resolve())
        yield _input(uri=uri, location=location, source=Source(**said))


def _text(manifest: str, number: int, column: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, str | int | float):
        raise UserError(f"{manifest}: row {number}: {column} is {value!r}; write a text")
    text = str(value).strip()
    if "\0" in text:
        raise UserError(f"{manifest}: row {number}: {column} holds a NUL character; remove it")
    return text


def _rows(manifest: str) -> Iterator[dict]:
    suffix = Path(urlsplit(manifest).path if is_url(manifest) else manifest).suffix.lower()
    try:
        with fsspec.open(manifest, "rb") as raw:
            if suffix == ".parquet":
                table = pq.read_table(raw)
                yield from (_need_uri(manifest, table.column_names) or table).to_pylist()
                return
            text = raw.read().decode("utf-8-sig")
    except (FileNotFoundError, IsADirectoryError) as e:
        raise UserError(f"VIDEOS={manifest}: no such manifest; name a CSV, Parquet or JSON Lines file") from e
    except UnicodeDecodeError as e:
        raise UserError(f"{manifest}: is not UTF-8 ({e.reason} at byte {e.start}); save it as UTF-8") from e
    except ImportError as e:
        raise _no_store(manifest, e) from e
    except (OSError, ValueError) as e:
        raise UserError(f"{manifest}: cannot be read as {suffix[1:]}: {e}") from e
    if suffix == ".csv":
        try:
            reader = csv.DictReader(io.StringIO(text, newline=""))
            _need_uri(manifest, list(reader.fieldnames or []))
            yield from reader
        except csv.Error as e:
            raise UserError(f"{manifest}: line {reader.line_num + 1} is not CSV: {e}; mend that line") from e
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as e:
            raise UserError(f"{manifest}: line {number} is not JSON: {e}") from e
        if not isinstance(row, dict):
            raise UserError(f'{manifest}: line {number} is not an object; write {{"uri": ...}}')
        yield row


def _need_uri(manifest: str, columns: list[str]) -> None:
    if "uri" not in columns:
        raise UserError(f"{manifest}: has no column 'uri' (its columns: {', '.join(columns) or 'none'})")
