"""Models in local folders: checked before a library loads them, and never downloaded."""

import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError

from humove.errors import UserError
from humove.ids import hash_file, hash_settings

_HASHED_SUFFIXES = {".json", ".safetensors", ".model", ".txt"}
_Model = TypeVar("_Model")
_MAX_MESSAGE = 300
"""Maximum characters of a library's own message in an error; some fill pages."""


def read_config(folder: Path, setting: str) -> dict[str, Any]:
    """Read the config.json of a model's folder; UserError, naming the setting that leads there, if there is none."""
    path = folder / "config.json"
    if not folder.is_dir():
        raise UserError(f"{setting}: no folder {folder}: give one on this machine; nothing is downloaded")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"{setting}: {folder} holds no config.json: give the folder that the model was saved in"
        ) from None
    except (OSError, ValueError) as e:
        raise UserError(f"{setting}: {path}: {' '.join(str(e).split())}") from e
    if not isinstance(config, dict):
        raise UserError(f"{setting}: {path} is not a model configuration")
    return config


def load_model(
    read: Callable[[], tuple[_Model, dict]], folder: Path, setting: str, unused: Collection[str] = ()
) -> _Model:
    """Load a model with a library's from_pretrained, and check its loading info. UserError if the weights are missing,
    unreadable, or not exactly the model's; unexpected keys in `unused` are allowed."""
    try:
        model, info = read()
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as e:
        message = " ".join(str(e).split())[:_MAX_MESSAGE] or type(e).__name__
        raise UserError(f"{setting}: the model in {folder} can't be loaded: {message}") from e
    unexpected = sorted(set(info["unexpected_keys"]) - set(unused))
    mismatched = sorted(str(key[0] if isinstance(key, tuple) else key) for key in info["mismatched_keys"])
    for what, keys in (
        ("missing", sorted(info["missing_keys"])),
        ("unexpected", unexpected),
        ("mis-shaped", mismatched),
    ):
        if keys:
            raise UserError(
                f"{setting}: the weights in {folder} don't fit: {keys[0]} is {what} ({len(keys)} such keys)"
            )
    return model


def hash_folders(rule: str, *folders: Path) -> str:
    """Hash the contents of the folders' files, not their location, and the rule by which they are used."""
    files = [
        [number, path.name, hash_file(path)]
        for number, folder in enumerate(folders)
        for path in sorted(folder.iterdir())
        if path.suffix in _HASHED_SUFFIXES and path.is_file()
    ]
    return hash_settings([rule, files])
