"""From a preset's YAML and `section.key=value` to a checked configuration; every mistake is one line."""

import re
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from humove.config import Strict
from humove.errors import UserError

Config = TypeVar("Config", bound=Strict)


class _Yaml(yaml.SafeLoader):
    """Safe YAML with the booleans of version 1.2: `off` is a word, which a setting may mean as its own."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:bool"]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Yaml.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def preset_names(folder: Path) -> list[str]:
    """The presets that lie in a folder."""
    return sorted(p.stem for p in folder.glob("*.yaml"))


def read_preset(preset: str, folder: Path, example: str) -> dict[str, Any]:
    """Settings by section, of a preset's name, or the path or address of a YAML; of several with commas between, each
    on top of those before it. `example` shows in an error how they look."""
    names = preset_names(folder)
    settings: dict[str, Any] = {}
    for one in [preset] if Path(preset).is_file() else preset.split(","):  # a path may have commas too
        path = folder / f"{one}.yaml" if one in names else Path(one)
        if "://" in one:
            raw = _read_address(one)
        elif path.is_file():
            raw = path.read_bytes()
        else:
            raise UserError(f"PRESET={one}: no such preset or file; presets are: {', '.join(names)}")
        settings = _on_top(settings, parse_mapping(raw, one, example))
    return settings


def _read_address(address: str) -> bytes:
    """The preset at an address of a store, as the explorer saves one beside a data set."""
    from humove.storage import open_store

    folder, _, name = address.rpartition("/")
    try:
        return open_store(folder).read(name)
    except FileNotFoundError as error:
        raise UserError(f"PRESET={address}: no such file") from error


def _on_top(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _on_top(merged[key], value) if both else value
    return merged


def read_mapping(path: Path, example: str) -> dict[str, Any]:
    """The sections of a YAML file, but for empty ones."""
    return parse_mapping(path.read_bytes(), str(path), example)


def parse_mapping(raw: bytes, place: str, example: str) -> dict[str, Any]:
    """A YAML's sections, but for empty ones; `place` names it in errors."""
    try:
        settings = yaml.load(raw.decode("utf-8"), _Yaml) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        raise UserError(f"{place}: not YAML: {' '.join(str(e).split())}") from e
    if not isinstance(settings, dict):
        raise UserError(f"{place}: a preset is a mapping of sections, as in '{example}'")
    return {section: values for section, values in settings.items() if values is not None}


def override(settings: dict[str, Any], overrides: list[str], example: str) -> None:
    """Puts each `section.key=value` into the settings."""
    for said in overrides:
        dotted, equals, text = said.partition("=")
        if not equals:
            raise UserError(f"SET {said!r}: write section.key=value, as in {example}")
        try:
            value = yaml.load(text, _Yaml)
        except yaml.YAMLError as e:
            raise UserError(f"SET {said!r}: {text!r} is not a YAML value") from e
        *sections, last = dotted.strip().split(".")
        place = settings
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise UserError(f"SET {said!r}: {section} is a value, not a section")
        place[last] = value


def checked(kind: type[Config], settings: dict[str, Any]) -> Config:
    """The configuration that the settings say; UserError names the first thing wrong and what is right there."""
    try:
        return kind.model_validate(settings)
    except ValidationError as error:
        raise UserError(_explain(kind, error)) from error


def _explain(kind: type[Strict], error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        section: Any = kind
        for part in first["loc"][:-1]:
            section = section.model_fields[str(part)].annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            return f"configuration: no setting {where!r}; settings there: {', '.join(section.model_fields)}"
    return f"configuration: {where} is {first['input']!r}: {first['msg']}"
