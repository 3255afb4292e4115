"""Folders with a numbered file for every frame."""

import re
from pathlib import Path

from annotators.results.found import FrameRequest, UnusableFile

_NUMBER = re.compile(r"(\d+)(?!.*\d)")


def list_frame_files(folder: Path, suffix: str, request: FrameRequest) -> list[tuple[int, Path]]:
    """List (number, file) of the requested frames' files, ascending; the number is the last one in the name.

    Errors: UnusableFile if a number occurs twice, or no requested frame has a file.
    """
    found: dict[int, Path] = {}
    for path in sorted(folder.glob(f"*{suffix}")):
        match = _NUMBER.search(path.stem)
        if match is None or not path.is_file():
            continue
        number = int(match[1])
        if number in found:
            raise UnusableFile(f"{found[number].name} and {path.name} in {folder.name} are both of frame {number}")
        found[number] = path
    here = [(number, found[number]) for number in request.frames.tolist() if number in found]
    if not here:
        span = f"{request.frames[0]} to {request.frames[-1]}"
        raise UnusableFile(
            f"{folder.name} has none of the frames {span} among its {len(found)} numbered {suffix} files"
        )
    return here
