"""HumanML3D through its index: which part of which AMASS file a clip is, and what people said of it.

Its own 263 numbers a frame come from a naive inverse kinematics and are not SMPL, so they are not read. The clips
that come from HumanAct12 are joint positions alone and are left out. Mirrored copies (M000123) are not made.
"""

import csv
import math
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from echomotion_model.importing.config import ImportSettings
from echomotion_model.importing.inputs import INDEX_CSV, Input, Part, missing, split_of
from echomotion_model.importing.reasons import BadMotion, LeftOut
from humove.errors import UserError
from shards.format import SPLITS

_COLUMNS = ("source_path", "start_frame", "end_frame", "new_name")
_LEAD_IN = {
    "Eyes_Japan_Dataset": 60, "MPI_HDM05": 60, "TotalCapture": 20, "MPI_Limits": 20, "Transitions_mocap": 10,
}  # fmt: skip
"""Frames at 20 fps that HumanML3D cut away before it counted: these collections begin in a T-pose."""
_NEW_NAMES = {
    "BioMotionLab_NTroje": "BMLrub", "DFaust_67": "DFaust", "MPI_HDM05": "HDM05", "MPI_Limits": "PosePrior",
    "MPI_mosh": "MoSh", "SSM_synced": "SSM", "TCD_handMocap": "TCDHands", "Transitions_mocap": "Transitions",
}  # fmt: skip
"""Folders that AMASS has renamed since."""


def humanml3d_inputs(source: Path, amass: Path | None, settings: ImportSettings) -> list[Input]:
    """One input for each row of the index.

    `source` is HumanML3D's folder: index.csv, texts/ (there or in HumanML3D/), and amass_data/ unless `amass` names
    AMASS's folder. Its train.txt, val.txt and test.txt settle the splits where they are there. UserError where the
    index, the texts or AMASS are missing as a whole.
    """
    texts = _folder(source, "texts", "unpack texts.zip there")
    if amass is None:
        amass = _folder(source, "amass_data", "put AMASS's SMPL+H G files there, or name their folder with --amass")
    elif not amass.is_dir():
        raise UserError(f"{amass} is no folder; give the one that holds AMASS's KIT, CMU and so on")
    splits = _splits(texts.parent)
    rows = _rows(source / INDEX_CSV)
    return [_input(number, row, amass, texts, splits, settings) for number, row in enumerate(rows)]


def _folder(source: Path, name: str, remedy: str) -> Path:
    for place in (source / name, source / "HumanML3D" / name):
        if place.is_dir():
            return place
    raise UserError(f"{source} has no folder {name}; {remedy}")


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as f:
            table = csv.DictReader(f)
            columns, rows = table.fieldnames or (), list(table)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read ({error}); take it from HumanML3D's repository") from error
    absent = [name for name in _COLUMNS if name not in columns]
    if absent:
        raise UserError(f"{path} has no column {', '.join(absent)}; take it from HumanML3D's repository")
    return rows


def _splits(folder: Path) -> dict[str, str]:
    """Clip name -> split, from the lists beside the texts; the lists name mirrored copies too."""
    known: dict[str, str] = {}
    for split in SPLITS:
        path = folder / f"{split}.txt"
        if path.is_file():
            known |= dict.fromkeys(path.read_text(encoding="utf-8", errors="replace").split(), split)
    return known


def _input(
    number: int,
    row: Mapping[str, str | None],
    amass: Path,
    texts: Path,
    splits: dict[str, str],
    settings: ImportSettings,
) -> Input:
    name = (row["new_name"] or "").removesuffix(".npy")
    source = name or f"row {number + 2} of {INDEX_CSV}"
    try:
        file, start, end = _place(row, name)
        path = _found(amass, file)
        parts = _parts(texts / f"{name}.txt", start, end)
    except BadMotion as bad:
        return Input(source=source, file="", path=amass, split="train", name=name, bad=bad)
    return Input(
        source=source,
        file=path.relative_to(amass).as_posix(),
        path=path,
        split=splits.get(name) or split_of(file, "humanml3d", settings),
        shot=number,
        name=name,
        parts=parts,
    )


def _place(row: Mapping[str, str | None], name: str) -> tuple[str, int, int]:
    """The file, relative to AMASS, and the span in it at 20 fps, its lead-in counted."""
    if "humanact12" in (row["source_path"] or "").lower():
        raise BadMotion(LeftOut.NO_SMPL_PARAMETERS, "from HumanAct12, which has joint positions and no SMPL parameters")
    path = PurePosixPath((row["source_path"] or "").removeprefix("./").removeprefix("pose_data/"))
    try:
        start, end = int(row["start_frame"] or ""), int(row["end_frame"] or "")
    except ValueError as error:
        raise BadMotion(LeftOut.BAD_ROW, f"start and end {row['start_frame']!r}, {row['end_frame']!r}") from error
    if path.is_absolute() or ".." in path.parts or path.suffix != ".npy" or not name.isalnum() or not 0 <= start < end:
        raise BadMotion(LeftOut.BAD_ROW, f"{row['source_path']!r}, {start} to {end}, {row['new_name']!r}")
    lead = _LEAD_IN.get(path.parts[0], 0)
    return path.with_suffix(".npz").as_posix(), start + lead, end + lead


def _found(amass: Path, file: str) -> Path:
    first, _, rest = file.partition("/")
    for folder in (first, _NEW_NAMES.get(first, first)):
        if (path := amass / folder / rest).is_file():
            return path
    raise missing(file)


def _parts(path: Path, start: int, end: int) -> tuple[Part, ...]:
    """The clip with every caption that is of all of it, then a part for each caption that is of a part.

    A line reads `caption#caption/POS ...#from#to`, the times in seconds from the clip's start, both 0 for all of it.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise BadMotion(LeftOut.NO_TEXT, f"{path.name}: {error.strerror}") from error
    whole: list[str] = []
    partial: list[Part] = []
    for line in filter(str.strip, lines):
        said, *rest = line.split("#")
        said = " ".join(said.split())
        since, until = _seconds(rest)
        if not said:
            continue
        if since == until == 0:
            whole.append(said)
        elif until > since:
            first, last = start + int(since * 20), min(start + int(until * 20), end)
            if first < last:
                partial.append(Part(captions=(said,), start_20=first, end_20=last))
    if not whole and not partial:
        raise BadMotion(LeftOut.NO_TEXT, f"{path.name} holds no caption")
    return (*([Part(captions=tuple(whole), start_20=start, end_20=end)] if whole else []), *partial)


def _seconds(rest: list[str]) -> tuple[float, float]:
    """A line's last two fields; 0 where they are none, or NaN, as in HumanML3D's own reading."""
    times = []
    for text in (*rest[1:3], "0", "0")[:2]:
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        times.append(value if math.isfinite(value) else 0.0)
    return times[0], times[1]
