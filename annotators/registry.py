"""Annotators by name. Built-in ones and those of other packages register under the entry point `humove.annotators`.

An entry is named `kind.name`, as in `pose2d.mmpose`, and points to a class. If the class has `Settings`, its only
argument is the section of the configuration with its name (`pose2d.mmpose`).
"""

from functools import cache
from importlib.metadata import entry_points
from typing import Any

from annotators.network import Network
from annotators.weights.table import load_table
from annotators.weights.user_files import UserWeights, find_user_weights
from humove.config.strict import Strict
from humove.errors import UserError
from humove.stage import Annotator

GROUP = "humove.annotators"
KINDS = ("tracks", "pose2d", "motion", "caption", "aesthetic", "category")


def get_section_name(kind: str) -> str:
    """Return the name of the section that selects the annotator of a kind."""
    return {"tracks": "track"}.get(kind, kind)


@cache
def list_annotators(kind: str) -> tuple[str, ...]:
    """Return the names of the installed annotators of a kind."""
    found = (e.name.removeprefix(f"{kind}.") for e in entry_points(group=GROUP) if e.name.startswith(f"{kind}."))
    return tuple(sorted(found))


@cache
def load_annotator_class(kind: str, name: str) -> type:
    """Import the class of an annotator. UserError if there is none, or if its package lacks a dependency."""
    section = get_section_name(kind)
    entry = next((e for e in entry_points(group=GROUP) if e.name == f"{kind}.{name}"), None)
    if entry is None:
        known = ", ".join(list_annotators(kind)) or "none"
        raise UserError(f"{section}.annotator: no annotator {name!r}; installed are: {known}")
    try:
        return entry.load()
    except (ImportError, AttributeError) as e:
        raise UserError(
            f"{section}.annotator {name!r} cannot be imported: {e}; install the extra that provides it"
        ) from e


def get_own_settings(kind: str, section: Strict) -> Strict | None:
    """Return the settings of the annotator that a section selects; None if it takes none.

    They are the part of the section with the annotator's name or, for built-in ones, the section itself or the part of
    it that is an instance of their `Settings`.
    """
    settings_class = getattr(load_annotator_class(kind, section.annotator), "Settings", None)
    if settings_class is None:
        return None
    parts = [getattr(section, section.annotator, None), section]
    parts += [getattr(section, name) for name in type(section).model_fields]
    for part in parts:
        if isinstance(part, settings_class):
            return part
    where = f"{get_section_name(kind)}.{section.annotator}"
    raise UserError(f"{where}: the configuration has no section for this annotator's {settings_class.__name__}")


def create_annotator(kind: str, section: Strict) -> Annotator:
    """Create the annotator that a section selects, without loading it.

    Its metadata (`version`, `licence`, `rights`, `weights`, `shape_source`) may depend on its settings.
    """
    settings = get_own_settings(kind, section)
    cls = load_annotator_class(kind, section.annotator)
    return cls() if settings is None else cls(settings)


def load_annotator(kind: str, section: Strict, device: str = "cpu", network: Network | None = None) -> Annotator:
    """Create the annotator that a section selects and load its weights.

    With a `network` (a client of one in another process) the annotator calls that one and reads no weights itself.
    """
    annotator = create_annotator(kind, section)
    if network is None:
        annotator.load(device)
    else:
        annotator.load(device, network)
    return annotator


def create_network(kind: str, section: Strict) -> Network | None:
    """Create the network of the selected annotator, without loading it; None if it has none."""
    return getattr(create_annotator(kind, section), "network", None)


def get_own_weights(kind: str, section: Strict) -> dict[str, UserWeights]:
    """Return the user's files that the selected annotator reads, by the dotted names of their settings."""
    own = get_own_settings(kind, section)
    name = get_section_name(kind)
    if own is not section:
        return find_user_weights(own, f"{name}.{section.annotator}")
    others = tuple(f"{name}.{other}." for other in list_annotators(kind))
    return {key: weights for key, weights in find_user_weights(own, name).items() if not key.startswith(others)}


def get_own_data(kind: str, section: Strict) -> dict[str, Any]:
    """Return the settings that the selected annotator's results depend on, as JSON values."""
    settings = get_own_settings(kind, section)
    if settings is None:
        return {}
    data = settings.get_data_settings()
    return drop_other_annotators(kind, section, data) if settings is section else data


def drop_other_annotators(kind: str, section: Strict, data: dict[str, Any]) -> dict[str, Any]:
    """Return a section's values without the settings of annotators that it does not select."""
    others = {name for name in list_annotators(kind) if isinstance(getattr(section, name, None), Strict)} - {
        section.annotator
    }
    return {name: value for name, value in data.items() if name not in others}


def get_annotator_settings(kind: str, section: Strict) -> dict[str, Any]:
    """Return what identifies an annotator's results: its name, version, weights' sha256 and own settings."""
    annotator = create_annotator(kind, section)
    return {
        "annotator": section.annotator,
        "version": annotator.version,
        "weights": {w: load_table()[w].sha256 for w in annotator.weights},
        "own": get_own_data(kind, section),
    }


def build_annotator_record(kind: str, section: Strict) -> dict[str, Any]:
    """Build a sample's record of an annotator: name, version, licence, weights with sha256 and licence, and the model
    if its settings name one."""
    annotator = create_annotator(kind, section)
    settings = get_own_settings(kind, section)
    licence = annotator.licence
    rows = [load_table()[w] for w in annotator.weights]
    weights = [{"name": r.name, "sha256": r.sha256, "licence": r.licence} for r in rows]
    for name, user_weights in get_own_weights(kind, section).items():
        sha256 = user_weights.compute_sha256()
        if sha256:
            weights.append({"name": name, "sha256": sha256, "licence": licence})
    record = {
        "name": f"{kind}.{section.annotator}",
        "version": annotator.version,
        "licence": licence,
        "weights": weights,
    }
    model = getattr(settings, "model", "")
    return {**record, "model": model} if isinstance(model, str) and model else record
