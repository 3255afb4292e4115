"""Find the result file of a clip: by the clip's id, by the video's id, or by the video's path."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from humove.types import Clip


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultPath:
    """A file, or a folder with a file per frame, and the meaning of its frame 0."""

    path: Path
    by_clip: bool
    """Frames are numbered from the clip's first one, else from the video's."""


def find_result(folder: Path, clip: Clip, names: tuple[str, ...]) -> ResultPath | None:
    """Find the first existing FOLDER/STEM + name for each of `names` ("/", for a folder, ".npz", "/wham_output.pkl").

    STEM is the clip's id, then the video's id, then the video's path without its suffix. Paths outside the folder are
    ignored.
    """
    for stem in (clip.clip_id, clip.video.video_id, _strip_suffix(clip.video.uri)):
        for name in names:
            path = folder / f"{stem}{name}"
            exists = path.is_dir() if name == "/" else path.is_file()
            if stem and exists and path.resolve().is_relative_to(folder.resolve()):
                return ResultPath(path=path, by_clip=stem == clip.clip_id)
    return None


def format_candidates(clip: Clip, names: tuple[str, ...]) -> str:
    """Format where a file was looked for."""
    stems = ", ".join(stem for stem in (clip.clip_id, clip.video.video_id, _strip_suffix(clip.video.uri)) if stem)
    return f"{stems}, each with {' or '.join(names)}"


def _strip_suffix(uri: str) -> str:
    """Strip a path's suffix. A relative path keeps its folders, so that videos of one name stay distinct; a URL or an
    absolute path keeps its last part."""
    path = PurePosixPath(urlsplit(uri).path if "://" in uri else uri.replace("\\", "/"))
    if path.is_absolute() or "://" in uri or ".." in path.parts:
        path = PurePosixPath(path.name)
    return str(path.with_suffix("")) if path.name else ""
