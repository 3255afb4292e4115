"""Models in folders on this machine: checked before a library sees them, and never looked for anywhere else."""

import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError

from humove.errors import UserError
from humove.ids import file_sha256, settings_hash

_READ = {".json", ".safetensors", ".model", ".txt"}
_Model = TypeVar("_Model")
_SAID = 300
"""Characters of a library's own message that are passed on; some go on for pages."""


def read_config(folder: Path, setting: str) -> dict[str, Any]:
    """The config.json of a model's folder; UserError, naming the setting that led there, where there is none."""
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
        raise UserError(f"{setting}: {path} is no model's configuration")
    return config


def load(read: Callable[[], tuple[_Model, dict]], folder: Path, setting: str, spare: Collection[str] = ()) -> _Model:
    """The model that a library's from_pretrained gives with its loading info. UserError where the weights are not
    there, not readable, or not exactly the model's; keys in `spare` may be there for nothing."""
    try:
        model, info = read()
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as e:
        said = " ".join(str(e).split())[:_SAID] or type(e).__name__
        raise UserError(f"{setting}: the model in {folder} can't be loaded: {said}") from e
    unexpected = sorted(set(info["unexpected_keys"]) - set(spare))
    mismatched = sorted(str(key[0] if isinstance(key, tuple) else key) for key in info["mismatched_keys"])
    for what, keys in (("missing", sorted(info["missing_keys"])), ("too much", unexpected), ("mis-shaped", mismatched)):
        if keys:
            raise UserError(
                f"{setting}: the weights in {folder} don't fit: {keys[0]} is {what} ({len(keys)} such keys)"
            )
    return model


def folders_hash(rule: str, *folders: Path) -> str:
    """A name for what the folders' files say, wherever they lie, and for the rule that they are used by."""
    files = [
        [number, path.name, file_sha256(path)]
        for number, folder in enumerate(folders)
        for path in sorted(folder.iterdir())
        if path.suffix in _READ and path.is_file()
    ]
    return settings_hash([rule, files])
