"""The category of a caption, by its keywords."""

import re
from functools import cache

from annotators.categories.taxonomy import FineClass, load_taxonomy

GENERAL = "General & Others"


def match_keywords(action: str, full: str = "") -> FineClass | None:
    """Return the class with the most keywords in a caption; None if it has none.

    The full caption is used only if the action has no keyword: a background may name a court on which nobody plays. Of
    overlapping keywords the longest counts ("dirt bike", not "bike"). The class GENERAL counts only without any other.
    A tie goes to the class that appears first.
    """
    in_action = _find_keywords(action)
    return (
        _choose_category(in_action, general=False)
        or _choose_category(_find_keywords(full), general=False)
        or _choose_category(in_action, general=True)
    )


def _find_keywords(text: str) -> dict[str, set[str]]:
    """Find the keywords of each fine class in the text, the classes in order of appearance."""
    hits: dict[str, set[str]] = {}
    for match in _compile_pattern().finditer(text.casefold()):
        hits.setdefault(_sort_keywords()[int(match.lastgroup[1:])][1], set()).add(match.group())
    return hits


def _choose_category(hits: dict[str, set[str]], *, general: bool) -> FineClass | None:
    found = [fine for fine in hits if (load_taxonomy()[fine].major == GENERAL) == general]
    best = max(found, key=lambda fine: len(hits[fine]), default=None)  # the first of the largest
    return load_taxonomy()[best] if best else None


@cache
def _sort_keywords() -> tuple[tuple[str, str], ...]:
    """Return (keyword, fine class), the longest first: an alternation takes the first that matches."""
    found = [(word.casefold(), c.fine) for c in load_taxonomy().values() for word in c.keywords]
    return tuple(sorted(found, key=lambda pair: (-len(pair[0]), pair)))


@cache
def _compile_pattern() -> re.Pattern[str]:
    """Compile one group a keyword, named by its index in `_sort_keywords`."""
    words = (f"(?P<k{i}>{_build_expression(word)})" for i, (word, _) in enumerate(_sort_keywords()))
    return re.compile(rf"(?<!\w)(?:{'|'.join(words)})(?!\w)")


def _build_expression(word: str) -> str:
    """Build the expression of a keyword; its spaces match hyphens too."""
    whole = re.escape(word.removesuffix("*")).replace("\\ ", "[ -]")
    return rf"{whole}[\w-]*" if word.endswith("*") else whole
