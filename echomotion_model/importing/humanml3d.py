"""HumanML3D through its index: the part of an AMASS file for each clip, and its captions.

Its own 263 features per frame come from a naive inverse kinematics and are not SMPL, so they are not read. The clips
from HumanAct12 have joint positions only and are left out. Mirrored copies (M000123) are not generated.
"""

import csv
import math
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from echomotion_model.importing.config import ImportSettings
from echomotion_model.importing.inputs import INDEX_CSV, ImportInput, Part, assign_split, make_missing_error
from echomotion_model.importing.reasons import BadMotion, SkipReason
from humove.errors import UserError
from shards.format import SPLITS

_COLUMNS = ("source_path", "start_frame", "end_frame", "new_name")
_LEAD_IN = {
    "Eyes_Japan_Dataset": 60, "MPI_HDM05": 60, "TotalCapture": 20, "MPI_Limits": 20, "Transitions_mocap": 10,
}  # fmt: skip
"""Leading frames at 20 fps that HumanML3D removes before its frame numbers: these collections begin in a T-pose."""
_NEW_NAMES = {
    "BioMotionLab_NTroje": "BMLrub", "DFaust_67": "DFaust", "MPI_HDM05": "HDM05", "MPI_Limits": "PosePrior",
    "MPI_mosh": "MoSh", "SSM_synced": "SSM", "TCD_handMocap": "TCDHands", "Transitions_mocap": "Transitions",
}  # fmt: skip
"""Folders that AMASS has since renamed."""


def list_index_inputs(source: Path, amass: Path | None, settings: ImportSettings) -> list[ImportInput]:
    """Return one input for each row of the index.

    `source` is HumanML3D's folder: index.csv, texts/ (there or in HumanML3D/), and amass_data/ unless `amass` names
    AMASS's folder. Its train.txt, val.txt and test.txt, if present, determine the splits. UserError if the index,
    the texts or AMASS are missing.
    """
    texts = _find_folder(source, "texts", "unpack texts.zip there")
    if amass is None:
        amass = _find_folder(
            source, "amass_data", "put AMASS's SMPL+H G files there, or name their folder with --amass"
        )
    elif not amass.is_dir():
        raise UserError(f"{amass} is not a folder; give the one that holds AMASS's KIT, CMU and so on")
    splits = _read_splits(texts.parent)
    rows = _read_rows(source / INDEX_CSV)
    return [_make_input(number, row, amass, texts, splits, settings) for number, row in enumerate(rows)]


def _find_folder(source: Path, name: str, remedy: str) -> Path:
    for place in (source / name, source / "HumanML3D" / name):
        if place.is_dir():
            return place
    raise UserError(f"{source} has no folder {name}; {remedy}")


def _read_rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as f:
            table = csv.DictReader(f)
            columns, rows = table.fieldnames or (), list(table)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read ({error}); take it from HumanML3D's repository") from error
    missing = [name for name in _COLUMNS if name not in columns]
    if missing:
        raise UserError(f"{path} has no column {', '.join(missing)}; take it from HumanML3D's repository")
    return rows


def _read_splits(folder: Path) -> dict[str, str]:
    """Read clip name -> split from the lists beside the texts; these also name mirrored copies."""
    known: dict[str, str] = {}
    for split in SPLITS:
        path = folder / f"{split}.txt"
        if path.is_file():
            known |= dict.fromkeys(path.read_text(encoding="utf-8", errors="replace").split(), split)
    return known


def _make_input(
    number: int,
    row: Mapping[str, str | None],
    amass: Path,
    texts: Path,
    splits: dict[str, str],
    settings: ImportSettings,
) -> ImportInput:
    name = (row["new_name"] or "").removesuffix(".npy")
    source = name or f"row {number + 2} of {INDEX_CSV}"
    try:
        file, start, end = _parse_row(row, name)
        path = _find_file(amass, file)
        parts = _read_parts(texts / f"{name}.txt", start, end)
    except BadMotion as bad:
        return ImportInput(source=source, file="", path=amass, split="train", name=name, bad=bad)
    return ImportInput(
        source=source,
        file=path.relative_to(amass).as_posix(),
        path=path,
        split=splits.get(name) or assign_split(file, "humanml3d", settings),
        shot=number,
        name=name,
        parts=parts,
    )


def _parse_row(row: Mapping[str, str | None], name: str) -> tuple[str, int, int]:
    """Return the file, relative to AMASS, and its span at 20 fps, including the lead-in."""
    if "humanact12" in (row["source_path"] or "").lower():
        raise BadMotion(
            SkipReason.NO_SMPL_PARAMETERS, "from HumanAct12, which has joint positions and no SMPL parameters"
        )
    path = PurePosixPath((row["source_path"] or "").removeprefix("./").removeprefix("pose_data/"))
    try:
        start, end = int(row["start_frame"] or ""), int(row["end_frame"] or "")
    except ValueError as error:
        raise BadMotion(SkipReason.BAD_ROW, f"start and end {row['start_frame']!r}, {row['end_frame']!r}") from error
    if path.is_absolute() or ".." in path.parts or path.suffix != ".npy" or not name.isalnum() or not 0 <= start < end:
        raise BadMotion(SkipReason.BAD_ROW, f"{row['source_path']!r}, {start} to {end}, {row['new_name']!r}")
    lead = _LEAD_IN.get(path.parts[0], 0)
    return path.with_suffix(".npz").as_posix(), start + lead, end + lead


def _find_file(amass: Path, file: str) -> Path:
    first, _, rest = file.partition("/")
    for folder in (first, _NEW_NAMES.get(first, first)):
        if (path := amass / folder / rest).is_file():
            return path
    raise make_missing_error(file)


def _read_parts(path: Path, start: int, end: int) -> tuple[Part, ...]:
    """Read the clip with all captions of the whole clip, then a part for each caption of a part.

    A line is `caption#caption/POS ...#from#to`, the times in seconds from the clip's start, both 0 for the whole clip.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise BadMotion(SkipReason.NO_TEXT, f"{path.name}: {error.strerror}") from error
    whole: list[str] = []
    partial: list[Part] = []
    for line in filter(str.strip, lines):
        caption, *rest = line.split("#")
        caption = " ".join(caption.split())
        since, until = _parse_seconds(rest)
        if not caption:
            continue
        if since == until == 0:
            whole.append(caption)
        elif until > since:
            first, last = start + int(since * 20), min(start + int(until * 20), end)
            if first < last:
                partial.append(Part(captions=(caption,), start_20=first, end_20=last))
    if not whole and not partial:
        raise BadMotion(SkipReason.NO_TEXT, f"{path.name} holds no caption")
    return (*([Part(captions=tuple(whole), start_20=start, end_20=end)] if whole else []), *partial)


def _parse_seconds(rest: list[str]) -> tuple[float, float]:
    """Parse a line's last two fields; 0 if missing or NaN, as in HumanML3D's own reader."""
    times = []
    for text in (*rest[1:3], "0", "0")[:2]:
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        times.append(value if math.isfinite(value) else 0.0)
    return times[0], times[1]
