"""Whether a configuration's annotators may be used, are installed, and have their weights: said before any work."""

from importlib.util import find_spec

from annotators.extras import EXTRAS
from annotators.registry import chosen, own_settings, section_name
from annotators.user_weights import weights_in
from annotators.weights import resolve
from humove.config import Strict
from humove.errors import UserError
from humove.stage import Rights


def check_annotator(kind: str, section: Strict, allow: tuple[Rights, ...], *, runs: bool) -> None:
    """UserError where the annotator is unknown, where its rights are not in `allow`, and, where it `runs`, where its
    extra is not installed or a file of weights is missing or another than it must be."""
    annotator = chosen(kind, section)
    said = f"{section_name(kind)}.annotator {section.annotator!r}"
    if annotator.rights not in allow:
        line = f"allow: [{', '.join(dict.fromkeys([*allow, annotator.rights]))}]"
        raise UserError(
            f"{said} is {annotator.rights} ({annotator.licence}); this line in the configuration allows it: {line}"
        )
    if not runs:
        return
    need = EXTRAS.get(f"{kind}.{section.annotator}")
    missing = [name for name in need.modules if find_spec(name) is None] if need else []
    if need and missing:
        raise UserError(f"{said} needs {', '.join(missing)}: make setup EXTRAS={need.extra}")
    for weights in annotator.weights:
        resolve(weights)
    own = own_settings(kind, section)
    for name, given in weights_in(own, f"{section_name(kind)}.{section.annotator}").items():
        if given.path:
            given.there(name)
