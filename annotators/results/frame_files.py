"""Folders that hold a file for every frame, numbered."""

import re
from pathlib import Path

from annotators.results.found import NotUsable, Wanted

_NUMBER = re.compile(r"(\d+)(?!.*\d)")


def numbered(folder: Path, suffix: str, wanted: Wanted) -> list[tuple[int, Path]]:
    """(number, file) of the wanted frames' files with that ending, ascending; the number is the last one in the name.

    Errors: NotUsable where a number stands twice, or no wanted frame has a file.
    """
    found: dict[int, Path] = {}
    for path in sorted(folder.glob(f"*{suffix}")):
        match = _NUMBER.search(path.stem)
        if match is None or not path.is_file():
            continue
        number = int(match[1])
        if number in found:
            raise NotUsable(f"{found[number].name} and {path.name} in {folder.name} are both of frame {number}")
        found[number] = path
    here = [(number, found[number]) for number in wanted.frames.tolist() if number in found]
    if not here:
        span = f"{wanted.frames[0]} to {wanted.frames[-1]}"
        raise NotUsable(f"{folder.name} has none of the frames {span} among its {len(found)} numbered {suffix} files")
    return here
