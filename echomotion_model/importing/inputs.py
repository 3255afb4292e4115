"""What is to be imported: one input is a file, or a row of an index that names a part of a file."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from echomotion_model.importing.config import ImportSettings
from echomotion_model.importing.reasons import BadMotion, LeftOut
from humove.errors import UserError
from humove.ids import unit_interval
from shards.format import SPLITS

KINDS = {"amass": ".npz", "bvh": ".bvh"}
"""Kinds that are folders of files, and the ending of each."""
INDEX_CSV = "index.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a recording and what is said of it."""

    captions: tuple[str, ...]
    start_20: int = 0
    end_20: int | None = None
    """Half-open, in frames of HumanML3D's nominal 20 a second; None: to the end."""

    def rows(self, count: int, fps: Fraction) -> tuple[int, int]:
        """The half-open span in a recording of `count` rows.

        HumanML3D took every int(fps / 20)th row and called the result 20 fps: its frame numbers mean that.
        """
        if self.end_20 is None:
            return 0, count
        step = max(1, int(fps / 20))
        return min(self.start_20 * step, count), min((self.end_20 - 1) * step + 1, count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input: it ends as samples or in one reason."""

    source: str
    """As people know it: a relative path, or HumanML3D's name."""
    file: str
    """Relative to the folder of the files."""
    path: Path
    split: str
    shot: int = 0
    """Of its samples' keys."""
    name: str = ""
    parts: tuple[Part, ...] = ()
    bad: BadMotion | None = None
    """Why it gives nothing, where that is known before its file is read."""


def kind_of(source: Path) -> str:
    """The kind of a folder or file. UserError where it is none, or several."""
    if not source.exists():
        raise UserError(f"{source} does not exist; give a folder of AMASS npz or BVH files, or HumanML3D's own")
    if (source / INDEX_CSV).is_file():
        return "humanml3d"
    kinds = [kind for kind, ending in KINDS.items() if files(source, ending)]
    if len(kinds) == 1:
        return kinds[0]
    what = "both npz and bvh files: import one kind at a time, with --kind" if kinds else "no npz and no bvh files"
    raise UserError(f"{source} holds {what}")


def files(source: Path, ending: str) -> list[Path]:
    """Every file of that ending under a folder, in order; or the one file itself."""
    if source.is_file():
        return [source] if source.suffix.lower() == ending else []
    return sorted(path for path in source.rglob("*") if path.suffix.lower() == ending and path.is_file())


def file_inputs(source: Path, kind: str, settings: ImportSettings) -> list[Input]:
    """One input for each file, whole. A file NAME.txt beside NAME.npz or NAME.bvh holds its captions, one a line."""
    found = []
    for path in files(source, KINDS[kind]):
        file = path.name if path == source else path.relative_to(source).as_posix()
        file = file.encode("utf-8", "replace").decode()  # a name need not be text; what is stored must be
        part = Part(captions=_captions(path.with_suffix(".txt")))
        found.append(Input(source=file, file=file, path=path, split=split_of(file, kind, settings), parts=(part,)))
    return found


def split_of(file: str, kind: str, settings: ImportSettings) -> str:
    """The first folder's name where that is a split's, else by a hash: AMASS by its subject's folder, a BVH by itself.

    What one person does stays in one split, as far as folders tell.
    """
    folder, _, _ = file.rpartition("/")
    first = file.partition("/")[0]
    if folder and first in SPLITS:
        return first
    at = unit_interval(folder if kind != "bvh" and folder else file)
    if at < settings.test:
        return "test"
    return "val" if at < settings.test + settings.val else "train"


def _captions(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        return ()
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return tuple(line.strip() for line in lines if line.strip())


def missing(file: str) -> BadMotion:
    """The reason of an input whose file is not there."""
    return BadMotion(LeftOut.FILE_MISSING, f"{file} is not there")
