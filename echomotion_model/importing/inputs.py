"""Inputs of an import: an input is a file, or a row of an index that names a part of a file."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from echomotion_model.importing.config import ImportSettings
from echomotion_model.importing.reasons import BadMotion, SkipReason
from humove.errors import UserError
from humove.ids import hash_to_unit_interval
from shards.format import SPLITS

KINDS = {"amass": ".npz", "bvh": ".bvh"}
"""Kinds that are folders of files, and their suffixes."""
INDEX_CSV = "index.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a recording with its captions."""

    captions: tuple[str, ...]
    start_20: int = 0
    end_20: int | None = None
    """Half-open, in frames at HumanML3D's nominal 20 fps; None: to the end."""

    def get_span(self, count: int, fps: Fraction) -> tuple[int, int]:
        """Return the half-open span in a recording of `count` rows.

        HumanML3D takes every int(fps / 20)th row as 20 fps, which defines its frame numbers.
        """
        if self.end_20 is None:
            return 0, count
        step = max(1, int(fps / 20))
        return min(self.start_20 * step, count), min((self.end_20 - 1) * step + 1, count)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportInput:
    """One input: it gives samples, or one reason for none."""

    source: str
    """The name for users: a relative path, or HumanML3D's name."""
    file: str
    """Relative to the folder of the files."""
    path: Path
    split: str
    shot: int = 0
    """The shot number in its samples' keys."""
    name: str = ""
    parts: tuple[Part, ...] = ()
    bad: BadMotion | None = None
    """Why it gives no sample, if known before its file is read."""


def detect_kind(source: Path) -> str:
    """Detect the kind of a folder or file. UserError if it is none, or several."""
    if not source.exists():
        raise UserError(f"{source} does not exist; give a folder of AMASS npz or BVH files, or HumanML3D's own")
    if (source / INDEX_CSV).is_file():
        return "humanml3d"
    kinds = [kind for kind, suffix in KINDS.items() if find_files(source, suffix)]
    if len(kinds) == 1:
        return kinds[0]
    what = "both npz and bvh files: import one kind at a time, with --kind" if kinds else "no npz and no bvh files"
    raise UserError(f"{source} holds {what}")


def find_files(source: Path, suffix: str) -> list[Path]:
    """Return all files of a suffix under a folder, in order; or the one file itself."""
    if source.is_file():
        return [source] if source.suffix.lower() == suffix else []
    return sorted(path for path in source.rglob("*") if path.suffix.lower() == suffix and path.is_file())


def list_file_inputs(source: Path, kind: str, settings: ImportSettings) -> list[ImportInput]:
    """Return one input for each whole file. NAME.txt beside NAME.npz or NAME.bvh holds its captions, one per line."""
    found = []
    for path in find_files(source, KINDS[kind]):
        file = path.name if path == source else path.relative_to(source).as_posix()
        file = file.encode("utf-8", "replace").decode()  # file names may be invalid Unicode, stored names must be valid
        part = Part(captions=_read_captions(path.with_suffix(".txt")))
        found.append(
            ImportInput(source=file, file=file, path=path, split=assign_split(file, kind, settings), parts=(part,))
        )
    return found


def assign_split(file: str, kind: str, settings: ImportSettings) -> str:
    """Return the first folder's name if it is a split, else one by a hash: of AMASS's subject folder, or of the BVH.

    A person stays in one split, as far as the folders show.
    """
    folder, _, _ = file.rpartition("/")
    first = file.partition("/")[0]
    if folder and first in SPLITS:
        return first
    at = hash_to_unit_interval(folder if kind != "bvh" and folder else file)
    if at < settings.test:
        return "test"
    return "val" if at < settings.test + settings.val else "train"


def _read_captions(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        return ()
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return tuple(line.strip() for line in lines if line.strip())


def make_missing_error(file: str) -> BadMotion:
    """Return the error of an input whose file is missing."""
    return BadMotion(SkipReason.FILE_MISSING, f"{file} is missing")
