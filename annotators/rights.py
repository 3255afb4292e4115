"""Checks before a build that annotators are allowed, installed, and have their weights."""

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from operator import attrgetter

from annotators.extras import EXTRAS
from annotators.registry import create_annotator, get_own_settings, get_own_weights, get_section_name
from annotators.weights.table import resolve_weights
from humove.config.strict import Strict
from humove.errors import UserError
from humove.stage import Rights


def check_annotator(kind: str, section: Strict, allow: tuple[Rights, ...], *, runs: bool) -> None:
    """Raise UserError if the annotator is unknown, if its rights are not in `allow`, and, if it `runs`, if its extra is
    not installed or a file of weights is missing or has another sha256."""
    annotator = create_annotator(kind, section)
    label = f"{get_section_name(kind)}.annotator {section.annotator!r}"
    rights = getattr(annotator, "rights", None)
    if rights is None:
        raise UserError(f"{label}: its class {type(annotator).__name__} does not declare `rights`; see humove/stage.py")
    if rights not in allow:
        line = f"allow: [{', '.join(dict.fromkeys([*allow, rights]))}]"
        raise UserError(f"{label} is {rights} ({annotator.licence}); this line in the configuration allows it: {line}")
    if not runs:
        return
    _check_extra(f"{kind}.{section.annotator}", label)
    for weights in annotator.weights:
        resolve_weights(weights)
    for name, user_weights in get_own_weights(kind, section).items():
        if user_weights.path:
            user_weights.resolve(name)


def find_unset_settings(kind: str, section: Strict) -> list[str]:
    """Return the required settings of the selected annotator that are empty: files, a server's address."""
    annotator = create_annotator(kind, section)
    optional = getattr(annotator, "optional_weights", ())
    files = get_own_weights(kind, section).items()
    found = [f"{name}.path" for name, weights in files if not weights.path and name.rpartition(".")[2] not in optional]
    for setting in getattr(annotator, "required", ()):
        if not attrgetter(setting)(get_own_settings(kind, section)):
            found.append(f"{get_section_name(kind)}.{section.annotator}.{setting}")
    return found


def _check_extra(entry: str, label: str) -> None:
    need = EXTRAS.get(entry)
    if need is None:
        return
    missing = [name for name in need.modules if find_spec(name) is None]
    if missing:
        raise UserError(f"{label} needs {', '.join(missing)}: make setup EXTRAS={need.extra}")
    if "torchvision" in need.modules and not _have_matching_builds():
        raise UserError(
            f"{label}: torchvision {version('torchvision')} does not match torch {version('torch')}: install both "
            "from one index, as in make setup EXTRAS=... TORCH_INDEX=..."
        )


def _have_matching_builds() -> bool:
    """Return False for a CPU build of torch with another build of torchvision, whose operators would be missing."""
    try:
        return not version("torch").endswith("+cpu") or version("torchvision").endswith("+cpu")
    except PackageNotFoundError:  # an unusual build without metadata: let the import decide
        return True
