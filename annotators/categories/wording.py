"""The category that a caption speaks of, by the words in it."""

import re
from functools import cache

from annotators.categories.taxonomy import Category, taxonomy

GENERAL = "General & Others"


def worded(action: str, full: str = "") -> Category | None:
    """The class that most of a caption's keywords speak for; None where none of them is in it.

    The action is read first, and alone where it says enough: a background may name a court on which nobody plays. Of
    keywords that overlap the longest counts ("dirt bike", not "bike"). Walking and the like count only where nothing
    else is named. Of two classes with as many keywords it is the one named first.
    """
    in_action = _hits(action)
    return _best(in_action, general=False) or _best(_hits(full), general=False) or _best(in_action, general=True)


def _hits(text: str) -> dict[str, set[str]]:
    """What stands in the text for each fine class, the classes in the order in which they appear."""
    hits: dict[str, set[str]] = {}
    for match in _pattern().finditer(text.casefold()):
        hits.setdefault(_keywords()[int(match.lastgroup[1:])][1], set()).add(match.group())
    return hits


def _best(hits: dict[str, set[str]], *, general: bool) -> Category | None:
    found = [fine for fine in hits if (taxonomy()[fine].major == GENERAL) == general]
    best = max(found, key=lambda fine: len(hits[fine]), default=None)  # the first of the largest
    return taxonomy()[best] if best else None


@cache
def _keywords() -> tuple[tuple[str, str], ...]:
    """(keyword, fine class), the longest first: an alternation takes the first that fits."""
    found = [(word.casefold(), c.fine) for c in taxonomy().values() for word in c.keywords]
    return tuple(sorted(found, key=lambda pair: (-len(pair[0]), pair)))


@cache
def _pattern() -> re.Pattern[str]:
    """One group a keyword, named after its place in `_keywords`."""
    words = (f"(?P<k{i}>{_expression(word)})" for i, (word, _) in enumerate(_keywords()))
    return re.compile(rf"(?<!\w)(?:{'|'.join(words)})(?!\w)")


def _expression(word: str) -> str:
    """A space of a keyword may be a hyphen in the text."""
    whole = re.escape(word.removesuffix("*")).replace("\\ ", "[ -]")
    return rf"{whole}[\w-]*" if word.endswith("*") else whole
