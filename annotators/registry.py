"""Annotators by name. Ours and those of other packages are found the same way: the entry point `humove.annotators`.

An entry is named `kind.name`, as in `pose2d.mmpose`, and points to a class. Where the class has `Settings`, its one
argument is the section of the configuration that bears its name (`pose2d.mmpose`).
"""

from functools import cache
from importlib.metadata import entry_points
from typing import Any

from annotators.network import Network
from annotators.user_weights import UserWeights, weights_in
from annotators.weights import table
from humove.config import Strict
from humove.errors import UserError
from humove.stage import Annotator

GROUP = "humove.annotators"
KINDS = ("tracks", "pose2d", "motion", "caption", "aesthetic", "category")


def section_name(kind: str) -> str:
    """The section of the configuration that chooses the annotator of a kind."""
    return {"tracks": "track"}.get(kind, kind)


@cache
def names(kind: str) -> tuple[str, ...]:
    """The annotators of a kind that are installed."""
    found = (e.name.removeprefix(f"{kind}.") for e in entry_points(group=GROUP) if e.name.startswith(f"{kind}."))
    return tuple(sorted(found))


@cache
def annotator_class(kind: str, name: str) -> type:
    """The class behind a name. UserError where there is none, or where its package lacks something."""
    section = section_name(kind)
    entry = next((e for e in entry_points(group=GROUP) if e.name == f"{kind}.{name}"), None)
    if entry is None:
        known = ", ".join(names(kind)) or "none"
        raise UserError(f"{section}.annotator: no annotator {name!r}; installed are: {known}")
    try:
        return entry.load()
    except (ImportError, AttributeError) as e:
        raise UserError(f"{section}.annotator {name!r} cannot be imported: {e}; install the extra that holds it") from e


def own_settings(kind: str, section: Strict) -> Strict | None:
    """The settings of the annotator that a section chooses: the part of the section that bears its name, or, for the
    built-in ones, the section itself or the part of it that is of their class. None where it takes none."""
    wanted = getattr(annotator_class(kind, section.annotator), "Settings", None)
    if wanted is None:
        return None
    parts = [getattr(section, section.annotator, None), section]
    parts += [getattr(section, name) for name in type(section).model_fields]
    for part in parts:
        if isinstance(part, wanted):
            return part
    where = f"{section_name(kind)}.{section.annotator}"
    raise UserError(f"{where}: the configuration has no section for this annotator's {wanted.__name__}")


def chosen(kind: str, section: Strict) -> Annotator:
    """The annotator that a section chooses, nothing loaded yet: what it says of itself (`version`, `licence`,
    `rights`, `weights`, a motion annotator's `shape_source`) may depend on its settings."""
    settings = own_settings(kind, section)
    cls = annotator_class(kind, section.annotator)
    return cls() if settings is None else cls(settings)


def load_annotator(kind: str, section: Strict, device: str = "cpu", network: Network | None = None) -> Annotator:
    """The annotator that a section chooses, with its weights read, ready to annotate.

    With a `network` (a client of one that runs elsewhere) the annotator calls that one and reads no weights itself.
    """
    annotator = chosen(kind, section)
    if network is None:
        annotator.load(device)
    else:
        annotator.load(device, network)
    return annotator


def network_of(kind: str, section: Strict) -> Network | None:
    """The part of the chosen annotator that a GPU can run, nothing loaded yet; None where it has none."""
    return getattr(chosen(kind, section), "network", None)


def own_weights(kind: str, section: Strict) -> dict[str, UserWeights]:
    """The files of the user's that the chosen annotator is given, by their settings' dotted names."""
    own = own_settings(kind, section)
    name = section_name(kind)
    if own is not section:
        return weights_in(own, f"{name}.{section.annotator}")
    others = tuple(f"{name}.{other}." for other in names(kind))
    return {said: given for said, given in weights_in(own, name).items() if not said.startswith(others)}


def own_data(kind: str, section: Strict) -> dict[str, Any]:
    """What the chosen annotator's results depend on, of its settings, as JSON values."""
    settings = own_settings(kind, section)
    if settings is None:
        return {}
    data = settings.data_settings()
    return without_others(kind, section, data) if settings is section else data


def without_others(kind: str, section: Strict, data: dict[str, Any]) -> dict[str, Any]:
    """A section's values without the settings of annotators that it doesn't choose: nothing depends on them."""
    others = {name for name in names(kind) if isinstance(getattr(section, name, None), Strict)} - {section.annotator}
    return {name: value for name, value in data.items() if name not in others}


def annotator_settings(kind: str, section: Strict) -> dict[str, Any]:
    """What names an annotator's results: its name and version, the content of its weights, and its own settings."""
    annotator = chosen(kind, section)
    return {
        "annotator": section.annotator,
        "version": annotator.version,
        "weights": {w: table()[w].sha256 for w in annotator.weights},
        "own": own_data(kind, section),
    }


def annotator_record(kind: str, section: Strict) -> dict[str, Any]:
    """What a sample says of the annotator that made it: name, version, licence, weights with sha256 and licence, and
    the model where its settings name one."""
    annotator = chosen(kind, section)
    settings = own_settings(kind, section)
    licence = annotator.licence
    rows = [table()[w] for w in annotator.weights]
    weights = [{"name": r.name, "sha256": r.sha256, "licence": r.licence} for r in rows]
    for name, given in own_weights(kind, section).items():
        digest = given.digest()
        if digest:
            weights.append({"name": name, "sha256": digest, "licence": licence})
    record = {
        "name": f"{kind}.{section.annotator}",
        "version": annotator.version,
        "licence": licence,
        "weights": weights,
    }
    model = getattr(settings, "model", "")
    return {**record, "model": model} if isinstance(model, str) and model else record
