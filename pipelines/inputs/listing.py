"""The input list of a build: all videos that VIDEOS names, with sizes and stamps."""

import glob
import os
import posixpath
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from humove.errors import UserError
from humove.types import Source
from pipelines.inputs import manifest as manifests
from pipelines.inputs.addresses import (
    check_address,
    format_error,
    get_scheme,
    get_suffix,
    hide_credentials,
    is_http,
    is_url,
)
from pipelines.inputs.reference import InputRef
from pipelines.inputs.stamps import AT_ONCE, TIMEOUT_S, Report, read_versions
from pipelines.inputs.versions import Version, make_store_version

# Searched for in folders and globs. A manifest may name any file: the probe decides, not the name.
VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp",
    ".ogv", ".mxf", ".vob", ".y4m", ".h264", ".hevc",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _NamedVideo:
    """One video that VIDEOS names."""

    uri: str
    location: str
    source: Source
    version: Version | None = None
    """The version where the listing of a store has given it; else None."""


def list_inputs(
    videos: str,
    known: Mapping[str, InputRef] | None = None,
    report: Report | None = None,
    *,
    ignore_columns: Collection[str] = (),
    at_once: int = AT_ONCE,
    timeout_s: float = TIMEOUT_S,
) -> list[InputRef]:
    """List the videos that `videos` names (a folder, a glob, a manifest, one video, or an address), sorted by uri.

    `known` holds by uri the inputs of earlier batches. A known address is not requested again; an unchanged known file
    or object is returned as it was, a changed one is a new input. `report(done, total)` is called while sizes and
    stamps are requested, `at_once` at a time.
    Raises UserError where the place is missing, holds no video, or a manifest is malformed. An address that does not
    answer is no error: the download decides.
    """
    known = known or {}
    named = sorted(_find_named(videos, ignore_columns), key=lambda n: n.uri)
    _refuse_duplicates(videos, named)
    unknown = [n for n in named if n.version is None and _find_known(n, known) is None]
    locations = [n.location for n in unknown]
    versions = dict(
        zip(locations, read_versions(locations, report=report, at_once=at_once, timeout_s=timeout_s), strict=True)
    )
    return [_find_known(n, known) or _make_input(n, n.version or versions[n.location], known) for n in named]


def _find_known(named: _NamedVideo, known: Mapping[str, InputRef]) -> InputRef | None:
    """Return the earlier input of an address, where only a request could show a change; else None."""
    earlier = known.get(named.uri)
    if earlier is None or earlier.location != named.location:
        return None
    return earlier if is_url(named.location) and named.version is None else None


def _make_input(named: _NamedVideo, version: Version, known: Mapping[str, InputRef]) -> InputRef:
    earlier = known.get(named.uri)
    if earlier is not None and (earlier.location, earlier.stamp) == (named.location, version.stamp):
        return earlier
    return InputRef(uri=named.uri, location=named.location, stamp=version.stamp, source=named.source, size=version.size)


def _refuse_duplicates(videos: str, named: list[_NamedVideo]) -> None:
    places: dict[str, str] = {}
    for video in named:
        if video.location in places:
            other = places[video.location]
            other = f" (as {hide_credentials(other)})" if other != video.uri else ""
            raise UserError(
                f"VIDEOS={hide_credentials(videos)}: {hide_credentials(video.uri)} is named twice{other};"
                " remove one of the rows"
            )
        places[video.location] = video.uri


def _find_named(videos: str, ignore_columns: Collection[str]) -> list[_NamedVideo]:
    where = f"VIDEOS={hide_credentials(videos)}"
    try:
        videos = check_address(videos)
    except ValueError as e:
        raise UserError(f"{where}: {e}") from e
    if get_suffix(videos) in manifests.SUFFIXES:
        rows = manifests.read_manifest(videos, ignore_columns)
        named = [_NamedVideo(row.uri, row.location, row.source) for row in rows]
        if not named:
            raise UserError(f"{where}: the manifest has no rows; write one per video")
        return named
    if is_http(videos):
        return [_NamedVideo(videos, videos, Source())]
    named = list(_find_in_store(videos, where) if is_url(videos) else _find_locally(videos, where))
    if not named:
        kinds = " ".join(VIDEO_SUFFIXES)
        raise UserError(f"{where}: no video found there; looked for files ending in {kinds}")
    return named


def _find_locally(videos: str, where: str) -> Iterator[_NamedVideo]:
    path = Path(os.path.expanduser(videos))
    try:
        if path.is_dir():
            for found in _walk_videos(path):
                yield _name_file(found, path)
        elif path.is_file():
            yield _name_file(path, path.parent)
        elif glob.has_magic(videos):
            root = _get_glob_root(path)
            named = bool(path.suffix) and not glob.has_magic(path.suffix)  # *.dat takes all of them, * takes the videos
            for found in map(Path, glob.iglob(str(path), recursive=True)):
                if found.is_file() and (named or _is_video(found.name)):
                    yield _name_file(found, root)
        else:
            raise UserError(f"{where}: no such folder, file or manifest; name one that exists")
    except OSError as e:
        raise UserError(f"{where}: can't be listed: {e.strerror}: {e.filename}; check your rights there") from e


def _walk_videos(folder: Path) -> Iterator[Path]:
    """Yield the video files below a folder. An unreadable folder raises OSError: its videos would be missing."""

    def fail(error: OSError) -> None:
        raise error

    for place, folders, names in os.walk(folder, onerror=fail):
        folders.sort()
        for name in sorted(names):
            path = Path(place, name)
            if _is_video(name) and path.is_file():
                yield path


def _is_video(name: str) -> bool:
    return posixpath.splitext(name)[1].lower() in VIDEO_SUFFIXES and not name.startswith(".")


def _get_glob_root(pattern: Path) -> Path:
    parts = []
    for part in pattern.parts[:-1]:
        if glob.has_magic(part):
            break
        parts.append(part)
    return Path(*parts) if parts else Path(".")


def _name_file(path: Path, root: Path) -> _NamedVideo:
    # JSON and Parquet can't hold a name that is not UTF-8: its invalid bytes are escaped.
    uri = os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "backslashreplace")
    return _NamedVideo(uri, os.path.realpath(path), _make_folder_source(uri))


def _make_folder_source(uri: str) -> Source:
    """Return the source of a file; its category is the first folder below VIDEOS, if any."""
    folder, slash, _ = uri.partition("/")
    return Source(category=folder, category_source="folder") if slash else Source()


def _find_in_store(videos: str, where: str) -> Iterator[_NamedVideo]:
    """Yield the videos of a folder of a store, or the one object that `videos` names."""
    from pipelines.inputs.store_source import open_filesystem

    if get_suffix(videos) in VIDEO_SUFFIXES and not videos.endswith("/"):
        yield _NamedVideo(videos, videos, Source())
        return
    fs = open_filesystem(videos)
    root = fs._strip_protocol(videos).rstrip("/")
    try:
        found = fs.find(root, detail=True)
    except FileNotFoundError as e:
        raise UserError(f"{where}: no such folder, file or bucket; name one that exists") from e
    except Exception as e:  # each store has its own exceptions
        raise UserError(f"{where}: can't be listed: {format_error(e)}; check the address and your rights") from e
    bucket = f"{get_scheme(videos)}://"
    for path, info in found.items():
        version = make_store_version(info)
        if path == root:  # one object without a video suffix
            yield _NamedVideo(videos, videos, Source(), version)
        elif _is_video(posixpath.basename(path)) and info["type"] == "file":
            uri = path[len(root) + 1 :]
            yield _NamedVideo(uri, f"{bucket}{path.lstrip('/')}", _make_folder_source(uri), version)
