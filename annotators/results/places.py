"""Which file belongs to a clip: by the clip's id, by the video's id, or by the video's own path."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from humove.types import Clip


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A file, or a folder with a file a frame, and what its frame 0 is."""

    path: Path
    by_clip: bool
    """Its frames count from the clip's first one, else from the video's."""


def place_of(folder: Path, clip: Clip, names: tuple[str, ...]) -> Place | None:
    """The first that is there of FOLDER/WHO + name for each of `names` ("/", for a folder, ".npz", "/wham_output.pkl"),
    where WHO is the clip's id, then the video's id, then the video's path without its ending.

    Nothing outside the folder is looked at, whatever the video is called.
    """
    for who in (clip.clip_id, clip.video.video_id, _stem(clip.video.uri)):
        for name in names:
            path = folder / f"{who}{name}"
            there = path.is_dir() if name == "/" else path.is_file()
            if who and there and path.resolve().is_relative_to(folder.resolve()):
                return Place(path=path, by_clip=who == clip.clip_id)
    return None


def looked_for(clip: Clip, names: tuple[str, ...]) -> str:
    """Where a file was looked for, for people."""
    who = ", ".join(w for w in (clip.clip_id, clip.video.video_id, _stem(clip.video.uri)) if w)
    return f"{who}, each with {' or '.join(names)}"


def _stem(uri: str) -> str:
    """A relative path keeps its folders, so that two videos of one name stay two; of an address or an absolute path
    the last part is left."""
    path = PurePosixPath(urlsplit(uri).path if "://" in uri else uri.replace("\\", "/"))
    if path.is_absolute() or "://" in uri or ".." in path.parts:
        path = PurePosixPath(path.name)
    return str(path.with_suffix("")) if path.name else ""
