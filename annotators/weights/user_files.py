"""Weights that the user provides: a path in the YAML, and the sha256 that identifies the results.

The path is local to a machine and is not recorded; the sha256 is part of the configuration's hash, of every sample and
of dataset.json.
"""

import hashlib
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import Field

from humove.config.strict import Strict
from humove.errors import UserError

_CHUNK = 1 << 20


class UserWeights(Strict):
    """A file, or a folder of files, that the user names by path."""

    path: str = Field("", description="its path on this machine (on every node of a cluster)")
    sha256: str = Field(
        "",
        pattern=r"^([0-9a-f]{64})?$",
        description="the expected sha256; empty: computed when the build starts",
    )

    def resolve_file(self, setting: str) -> Path:
        """Return the path of the file. `setting` is the setting's name, as in "track.ultralytics.weights".

        Errors: UserError if no path is set, if it is no file, or if it has another sha256.
        """
        path = self._find_path(setting, "file")
        if not path.is_file():
            raise UserError(f"{setting}.path: {path} is a folder; name the file itself")
        return self._check_content(setting, path)

    def resolve_folder(self, setting: str) -> Path:
        """Return the path of the folder; its sha256 covers file names and contents. Errors as `resolve_file`."""
        path = self._find_path(setting, "folder")
        if not path.is_dir():
            raise UserError(f"{setting}.path: {path} is a file; name the folder that holds it")
        return self._check_content(setting, path)

    def compute_sha256(self) -> str:
        """Return the sha256: the one that is set, else that of the path; "" if it does not exist."""
        if self.sha256 or not self.path:
            return self.sha256
        path = Path(self.path).expanduser()
        return hash_path(path) if path.exists() else ""

    def pin(self) -> "UserWeights":
        """Return a copy with its sha256 filled in, so that every worker verifies its own copy of the file."""
        return self.model_copy(update={"sha256": self.compute_sha256()})

    def get_data_settings(self) -> dict[str, Any]:
        return {"sha256": self.compute_sha256()}

    def resolve(self, setting: str) -> Path:
        """Return the path of a file or a folder. Errors as `resolve_file`."""
        return self._check_content(setting, self._find_path(setting, "file"))

    def _find_path(self, setting: str, kind: str) -> Path:
        if not self.path:
            raise UserError(f"{setting}.path is not set: name the {kind}, as in SET {setting}.path=/models/...")
        path = Path(self.path).expanduser()
        if not path.exists():
            raise UserError(f"{setting}.path: no {kind} {path}; correct the path or put the {kind} there")
        return path

    def _check_content(self, setting: str, path: Path) -> Path:
        if self.sha256:
            found = hash_path(path)
            if found != self.sha256:
                raise UserError(
                    f"{setting}: {path} has sha256 {found[:12]}..., wanted {self.sha256[:12]}...: it is another file; "
                    f"restore it, or change {setting}.sha256"
                )
        return path


def hash_path(path: Path) -> str:
    """Compute the sha256 of a file, or of the names and contents of a folder's files without hidden ones."""
    files = [path] if path.is_file() else list(_list_files(path))
    stamp = tuple((str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files)
    return _hash_cached(path, stamp)


@lru_cache(maxsize=256)
def _hash_cached(path: Path, stamp: tuple[tuple[str, int, int], ...]) -> str:
    """Hash a path once a process: `stamp` is part of the cache's key and changes with the files."""
    if path.is_file():
        return _hash_content(path)
    digest = hashlib.sha256()
    for name, _, _ in stamp:
        digest.update(f"{Path(name).relative_to(path).as_posix()}\0{_hash_content(Path(name))}\n".encode())
    return digest.hexdigest()


def _list_files(folder: Path) -> Iterator[Path]:
    """Yield the visible files, sorted by name; linked folders are not entered."""
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(root) / name for name in names if not name.startswith(".")]
    yield from sorted(found, key=lambda p: p.relative_to(folder).as_posix())


def _hash_content(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def find_user_weights(settings: Strict | None, name: str) -> dict[str, UserWeights]:
    """Find every UserWeights in a section, by dotted name.

    `name` is the section's, as in "track.ultralytics".
    """
    found: dict[str, UserWeights] = {}
    for field in type(settings).model_fields if settings is not None else ():
        value = getattr(settings, field)
        if isinstance(value, UserWeights):
            found[f"{name}.{field}"] = value
        elif isinstance(value, Strict):
            found |= find_user_weights(value, f"{name}.{field}")
    return found


def pin_weights(settings: Strict) -> Strict:
    """Return a copy of a section with the sha256 of every UserWeights in it filled in."""
    update: dict[str, Any] = {}
    for field in type(settings).model_fields:
        value = getattr(settings, field)
        if isinstance(value, UserWeights):
            update[field] = value.pin()
        elif isinstance(value, Strict):
            update[field] = pin_weights(value)
    return settings.model_copy(update=update)
