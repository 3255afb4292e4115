"""Read a configuration from presets in YAML and `section.key=value` overrides; each error is one line."""

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from humove.config.strict import Strict
from humove.errors import UserError

Config = TypeVar("Config", bound=Strict)


class _YamlLoader(yaml.SafeLoader):
    """A safe YAML loader with the booleans of version 1.2: `off` is a string, not false."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_YamlLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile("(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


def list_presets(folder: Path) -> list[str]:
    """List the names of the presets in a folder."""
    return sorted(p.stem for p in folder.glob("*.yaml"))


def read_preset(
    preset: str, folder: Path, example: str, rename: Callable[[dict[str, Any]], None] = lambda _: None
) -> dict[str, Any]:
    """Read the settings of a preset, given by name, path or URL of a YAML, by section.

    Several presets are separated by commas; later ones override earlier ones. `rename` moves settings that one of
    them gives by a former name. `example` is shown in errors.
    """
    names = list_presets(folder)
    settings: dict[str, Any] = {}
    for name in [preset] if Path(preset).is_file() else preset.split(","):  # a path may have commas too
        path = folder / f"{name}.yaml" if name in names else Path(name)
        if "://" in name:
            raw = _read_url(name)
        elif path.is_file():
            raw = path.read_bytes()
        else:
            raise UserError(f"PRESET={name}: no such preset or file; presets are: {', '.join(names)}")
        found = _parse_mapping(raw, name, example)
        rename(found)
        settings = _merge_settings(settings, found)
    return settings


def _read_url(url: str) -> bytes:
    """Read a preset from a store, such as one that the explorer saved beside a data set."""
    from humove.storage import open_store

    folder, _, name = url.rpartition("/")
    try:
        return open_store(folder).read(name)
    except FileNotFoundError as error:
        raise UserError(f"PRESET={url}: no such file") from error


def _merge_settings(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge_settings(merged[key], value) if both else value
    return merged


def read_mapping(path: Path, example: str) -> dict[str, Any]:
    """Read the sections of a YAML file, except empty ones."""
    return _parse_mapping(path.read_bytes(), str(path), example)


def _parse_mapping(raw: bytes, place: str, example: str) -> dict[str, Any]:
    """Parse the sections of a YAML, except empty ones; `place` names it in errors."""
    try:
        settings = yaml.load(raw.decode("utf-8"), _YamlLoader) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        raise UserError(f"{place}: not YAML: {' '.join(str(e).split())}") from e
    if not isinstance(settings, dict):
        raise UserError(f"{place}: a preset is a mapping of sections, as in '{example}'")
    return {section: values for section, values in settings.items() if values is not None}


def apply_overrides(settings: dict[str, Any], overrides: list[str], example: str) -> None:
    """Set each `section.key=value` in the settings."""
    for override in overrides:
        dotted, equals, text = override.partition("=")
        if not equals:
            raise UserError(f"SET {override!r}: write section.key=value, as in {example}")
        try:
            value = yaml.load(text, _YamlLoader)
        except yaml.YAMLError as e:
            raise UserError(f"SET {override!r}: {text!r} is not a YAML value") from e
        *sections, last = dotted.strip().split(".")
        place = settings
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise UserError(f"SET {override!r}: {section} is a value, not a section")
        place[last] = value


def rename_settings(settings: dict[str, Any], renamed: Mapping[str, str]) -> list[str]:
    """Move values from former dotted names, such as marks.file, to the present ones; return "old is new" of each.

    Where both names are set, the present one counts.
    """
    moved = []
    for old, new in renamed.items():
        *sections, last = old.split(".")
        place: Any = settings
        for section in sections:
            place = place.get(section) if isinstance(place, dict) else None
        if not isinstance(place, dict) or last not in place:
            continue
        value = place.pop(last)
        *sections, last = new.split(".")
        target = settings
        for section in sections:
            target = target.setdefault(section, {})
        present = target.get(last, value)
        target[last] = _merge_settings(value, present) if isinstance(present, dict) else present
        moved.append(f"{old} is now {new}")
    return moved


def warn_of_renamed(moved: list[str]) -> None:
    """Print one line that lists settings given by former names."""
    if moved:
        line = "; ".join(moved)
        print(f"humove: renamed settings, whose old names are read in this version only: {line}", file=sys.stderr)


def parse_config(kind: type[Config], settings: dict[str, Any]) -> Config:
    """Validate settings as a configuration; UserError names the first error and the settings that exist there."""
    try:
        return kind.model_validate(settings)
    except ValidationError as error:
        raise UserError(_format_error(kind, error)) from error


def _format_error(kind: type[Strict], error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        section: Any = kind
        for part in first["loc"][:-1]:
            section = section.model_fields[str(part)].annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            return f"configuration: no setting {where!r}; settings there: {', '.join(section.model_fields)}"
    return f"configuration: {where} is {first['input']!r}: {first['msg']}"
