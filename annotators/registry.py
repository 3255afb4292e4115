"""Annotators by name. Ours and those of other packages are found the same way: the entry point `humove.annotators`.

An entry is named `kind.name`, as in `pose2d.blazepose`, and points to a class; where the class takes settings, its one
argument is its section of the configuration.
"""

from functools import cache
from importlib.metadata import entry_points

from annotators.weights import table
from humove.config import Strict
from humove.errors import UserError
from humove.stage import Annotator

GROUP = "humove.annotators"
KINDS = ("tracks", "pose2d", "motion", "caption")


@cache
def annotator_class(kind: str, name: str) -> type:
    """The class behind a name. UserError where there is none, or where its package lacks something."""
    entries = {e.name: e for e in entry_points(group=GROUP)}
    entry = entries.get(f"{kind}.{name}")
    if entry is None:
        known = sorted(n.removeprefix(f"{kind}.") for n in entries if n.startswith(f"{kind}."))
        section = {"tracks": "track"}.get(kind, kind)
        raise UserError(f"{section}.annotator: no annotator {name!r}; installed are: {', '.join(known) or 'none'}")
    try:
        return entry.load()
    except (ImportError, AttributeError) as e:
        raise UserError(f"{kind}.annotator {name!r} cannot be imported: {e}; install the extra that holds it") from e


def load_annotator(kind: str, name: str, *settings: Strict, device: str = "cpu") -> Annotator:
    """An annotator with its weights read, ready to annotate."""
    annotator = annotator_class(kind, name)(*settings)
    annotator.load(device)
    return annotator


def annotator_settings(kind: str, name: str) -> dict:
    """What names an annotator's results: its name and version, and the content of its weights."""
    cls = annotator_class(kind, name)
    return {"annotator": name, "version": cls.version, "weights": {w: table()[w].sha256 for w in cls.weights}}


def annotator_record(kind: str, name: str) -> dict:
    """What a sample says of the annotator that made it: name, version, licence, weights with sha256 and licence."""
    cls = annotator_class(kind, name)
    rows = [table()[w] for w in cls.weights]
    return {
        "name": f"{kind}.{name}",
        "version": cls.version,
        "licence": getattr(cls, "licence", "Apache-2.0"),
        "weights": [{"name": r.name, "sha256": r.sha256, "licence": r.licence} for r in rows],
    }
