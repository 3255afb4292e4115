"""Tensors in safetensors files, checked against a model before they are read."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from humove.errors import UserError

_INDEX = "*.safetensors.index.json"
_FLOATS = ("F64", "F32", "F16", "BF16")
_MAX_NAMES = 3


class StoredTensors:
    """The tensors of one model's files, by name.

    `path` is a .safetensors file, or a folder with one, or with several and their index. UserError, one line, if
    it is neither, or if a file is missing or damaged.
    """

    def __init__(self, path: Path, prefix: str = "") -> None:
        """`prefix` is removed from the names if all have it."""
        self.path = path
        self._files: dict[str, Path] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._types: dict[str, str] = {}
        for file in _find_files(path):
            self._read_header(file)
        self._prefix = prefix if all(name.startswith(prefix) for name in self._files) else ""
        for table in (self._files, self._shapes, self._types):
            for name in list(table):
                table[name.removeprefix(self._prefix)] = table.pop(name)

    def list_names(self) -> set[str]:
        return set(self._files)

    def copy_into(self, wanted: Mapping[str, torch.Tensor]) -> None:
        """Copy the stored tensors into those of a model, by name; the names must be the same.

        UserError, one line, if one is missing, unexpected, of another shape, or quantised; then none is copied.
        """
        defects = self._find_defects(wanted)
        if defects:
            raise UserError(
                f"{self.path} does not fit the model: {'; '.join(defects)}; choose the preset of its weights"
            )
        for file in sorted(set(self._files.values())):
            with torch.no_grad(), safe_open(file, framework="pt") as stored:
                for name in (name for name in self._files if self._files[name] == file):
                    wanted[name].copy_(stored.get_tensor(self._prefix + name))

    def _read_header(self, file: Path) -> None:
        try:
            with safe_open(file, framework="pt") as stored:
                for name in stored.keys():  # noqa: SIM118 (not a mapping)
                    if name in self._files:
                        raise UserError(f"{self.path}: {name} is in both {self._files[name].name} and {file.name}")
                    part = stored.get_slice(name)
                    self._files[name] = file
                    self._shapes[name] = tuple(part.get_shape())
                    self._types[name] = part.get_dtype()
        except FileNotFoundError as error:
            raise UserError(f"{file} is missing; fetch the weights again") from error
        except (SafetensorError, OSError) as error:
            raise UserError(
                f"{file} is damaged, or not a safetensors file ({_format_error(error)}); fetch it again"
            ) from error

    def _find_defects(self, wanted: Mapping[str, torch.Tensor]) -> list[str]:
        both = sorted(wanted.keys() & self._files.keys())
        misshaped = [
            f"{name} is {self._shapes[name]}, expected {tuple(wanted[name].shape)}"
            for name in both
            if self._shapes[name] != tuple(wanted[name].shape)
        ]
        kinds = {
            "missing": sorted(wanted.keys() - self._files.keys()),
            "unexpected": sorted(self._files.keys() - wanted.keys()),
            "of another shape": misshaped,
            "not of a plain float type": [
                f"{name} is {self._types[name]}" for name in both if self._types[name] not in _FLOATS
            ],
        }
        return [f"{len(found)} {kind} ({_format_names(found)})" for kind, found in kinds.items() if found]


def read_json(path: Path) -> dict:
    """Read a JSON object. UserError if the file is missing or holds something else."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as JSON ({_format_error(error)})") from error
    if not isinstance(found, dict):
        raise UserError(f"{path}: holds no JSON object")
    return found


def _find_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    indices, singles = sorted(path.glob(_INDEX)), sorted(path.glob("*.safetensors"))
    if len(indices) == 1:
        places = read_json(indices[0]).get("weight_map")
        if not isinstance(places, dict) or not places:
            raise UserError(f"{indices[0]}: names no files; fetch it again")
        names = sorted({str(name) for name in places.values()})
        if any(Path(name).name != name for name in names):
            raise UserError(f"{indices[0]}: names files outside its folder")
        return [path / name for name in names]
    if len(singles) != 1:
        raise UserError(
            f"{path}: {len(singles)} .safetensors files and {len(indices)} indices; give the path of one file"
        )
    return singles


def _format_names(names: list[str]) -> str:
    return ", ".join(names[:_MAX_NAMES]) + (", ..." if len(names) > _MAX_NAMES else "")


def _format_error(error: Exception) -> str:
    return " ".join(str(error).split())
