"""Weights that the user has: a path in the YAML, and the sha256 that the results are named after.

The path is where this machine keeps the file and goes nowhere else; the sha256 goes into the configuration's hash,
into every sample and into dataset.json.
"""

import hashlib
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import Field

from humove.config import Strict
from humove.errors import UserError

_CHUNK = 1 << 20


class UserWeights(Strict):
    """A file, or a folder of files, that the user names by path."""

    path: str = Field("", description="where it lies on this machine (on every node of a cluster)")
    sha256: str = Field(
        "",
        pattern=r"^([0-9a-f]{64})?$",
        description="what the content must be; empty: taken from what lies there when the build starts",
    )

    def file(self, what: str) -> Path:
        """The path of the file. `what` is the setting's name, as in "track.ultralytics.weights".

        Errors: UserError where no path is set, where it is no file, or where it is another than sha256 says.
        """
        path = self._there(what, "file")
        if not path.is_file():
            raise UserError(f"{what}.path: {path} is a folder; name the file itself")
        return self._whole(what, path)

    def folder(self, what: str) -> Path:
        """The path of the folder; its sha256 is over the names and contents of its files. Errors as with `file`."""
        path = self._there(what, "folder")
        if not path.is_dir():
            raise UserError(f"{what}.path: {path} is a file; name the folder that holds it")
        return self._whole(what, path)

    def digest(self) -> str:
        """The sha256: the one that is set, else that of what lies there; "" where nothing does."""
        if self.sha256 or not self.path:
            return self.sha256
        path = Path(self.path).expanduser()
        return sha256_of(path) if path.exists() else ""

    def pinned(self) -> "UserWeights":
        """The same with its sha256 filled in, so that every worker holds its own copy of the file to it."""
        return self.model_copy(update={"sha256": self.digest()})

    def data_settings(self) -> dict[str, Any]:
        return {"sha256": self.digest()}

    def there(self, what: str) -> Path:
        """The path of a file or a folder, whatever the annotator wants. Errors as with `file`."""
        return self._whole(what, self._there(what, "file"))

    def _there(self, what: str, kind: str) -> Path:
        if not self.path:
            raise UserError(f"{what}.path is not set: name the {kind}, as in SET {what}.path=/models/...")
        path = Path(self.path).expanduser()
        if not path.exists():
            raise UserError(f"{what}.path: no {kind} {path}; mend the path or put the {kind} there")
        return path

    def _whole(self, what: str, path: Path) -> Path:
        if self.sha256:
            found = sha256_of(path)
            if found != self.sha256:
                raise UserError(
                    f"{what}: {path} has sha256 {found[:12]}..., wanted {self.sha256[:12]}...: it is another file; "
                    f"restore it, or change {what}.sha256"
                )
        return path


def sha256_of(path: Path) -> str:
    """Of a file's content; of a folder: over the names and contents of its files, hidden ones left out."""
    files = [path] if path.is_file() else list(_files(path))
    stamp = tuple((str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files)
    return _sha256(path, stamp)


@lru_cache(maxsize=256)
def _sha256(path: Path, stamp: tuple[tuple[str, int, int], ...]) -> str:
    """Large files are read once a process: `stamp` says when they have changed."""
    if path.is_file():
        return _of_content(path)
    whole = hashlib.sha256()
    for name, _, _ in stamp:
        whole.update(f"{Path(name).relative_to(path).as_posix()}\0{_of_content(Path(name))}\n".encode())
    return whole.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    """The visible files, in the order of their names; linked folders are not entered."""
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(root) / name for name in names if not name.startswith(".")]
    yield from sorted(found, key=lambda p: p.relative_to(folder).as_posix())


def _of_content(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def weights_in(settings: Strict | None, name: str) -> dict[str, UserWeights]:
    """Every UserWeights in a section that has a path or a sha256, or that must have one, by its dotted name.

    `name` is the section's own, as in "track.ultralytics".
    """
    found: dict[str, UserWeights] = {}
    for field in type(settings).model_fields if settings is not None else ():
        value = getattr(settings, field)
        if isinstance(value, UserWeights):
            found[f"{name}.{field}"] = value
        elif isinstance(value, Strict):
            found |= weights_in(value, f"{name}.{field}")
    return found


def pinned(settings: Strict) -> Strict:
    """A copy of a section with the sha256 of every UserWeights in it filled in."""
    update: dict[str, Any] = {}
    for field in type(settings).model_fields:
        value = getattr(settings, field)
        if isinstance(value, UserWeights):
            update[field] = value.pinned()
        elif isinstance(value, Strict):
            update[field] = pinned(value)
    return settings.model_copy(update=update)
