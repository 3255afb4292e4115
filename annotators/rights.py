"""Whether a configuration's annotators may be used, are installed, and have their weights: said before any work."""

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from operator import attrgetter

from annotators.extras import EXTRAS
from annotators.registry import chosen, own_settings, own_weights, section_name
from annotators.weights import resolve
from humove.config import Strict
from humove.errors import UserError
from humove.stage import Rights


def check_annotator(kind: str, section: Strict, allow: tuple[Rights, ...], *, runs: bool) -> None:
    """UserError where the annotator is unknown, where its rights are not in `allow`, and, where it `runs`, where its
    extra is not installed or a file of weights is missing or another than it must be."""
    annotator = chosen(kind, section)
    said = f"{section_name(kind)}.annotator {section.annotator!r}"
    rights = getattr(annotator, "rights", None)
    if rights is None:
        raise UserError(f"{said}: its class {type(annotator).__name__} does not say its `rights`; see humove/stage.py")
    if rights not in allow:
        line = f"allow: [{', '.join(dict.fromkeys([*allow, rights]))}]"
        raise UserError(f"{said} is {rights} ({annotator.licence}); this line in the configuration allows it: {line}")
    if not runs:
        return
    _check_extra(f"{kind}.{section.annotator}", said)
    for weights in annotator.weights:
        resolve(weights)
    for name, given in own_weights(kind, section).items():
        if given.path:
            given.there(name)


def unset(kind: str, section: Strict) -> list[str]:
    """The settings that the chosen annotator can't do without, and that are empty: files, a server's address."""
    annotator = chosen(kind, section)
    may_lack = getattr(annotator, "optional_weights", ())
    files = own_weights(kind, section).items()
    found = [f"{name}.path" for name, given in files if not given.path and name.rpartition(".")[2] not in may_lack]
    for setting in getattr(annotator, "required", ()):
        if not attrgetter(setting)(own_settings(kind, section)):
            found.append(f"{section_name(kind)}.{section.annotator}.{setting}")
    return found


def _check_extra(entry: str, said: str) -> None:
    need = EXTRAS.get(entry)
    if need is None:
        return
    missing = [name for name in need.modules if find_spec(name) is None]
    if missing:
        raise UserError(f"{said} needs {', '.join(missing)}: make setup EXTRAS={need.extra}")
    if "torchvision" in need.modules and not _one_pair():
        raise UserError(
            f"{said}: torchvision {version('torchvision')} is not of torch {version('torch')}'s build: install both "
            "from one index, as in make setup EXTRAS=... TORCH_INDEX=..."
        )


def _one_pair() -> bool:
    """Whether torch is no CPU build beside a torchvision of another: that one's operators would be missing."""
    try:
        return not version("torch").endswith("+cpu") or version("torchvision").endswith("+cpu")
    except PackageNotFoundError:  # of an unusual build, with no metadata: it is tried
        return True
