"""A sample's category: of all who may say it, the first that knows."""

from collections.abc import Mapping
from typing import Any

from annotators.categories.config import CategoryConfig
from annotators.categories.taxonomy import Category, named, taxonomy
from annotators.categories.wording import worded
from humove.types import Source
from shards.index import category_text as joined


def category_of(
    config: CategoryConfig, source: Source, written: Mapping[str, Any], shown: Mapping[str, Any]
) -> dict[str, str]:
    """major, fine and source of a sample; empty texts where nobody knows.

    `written` holds the facts of the caption step, `shown` those of the category step, empty where they did not run. A
    name that is none of the paper's is kept as it was given: a user may have categories of their own.
    """
    for who in config.sources:
        if who in ("manifest", "folder"):
            if source.category and source.category_source == who:
                return {**_given(source.category), "source": who}
            continue
        found = _said(who, config, written, shown)
        if found is not None:
            return {"major": found.major, "fine": found.fine, "source": who}
    return {"major": "", "fine": "", "source": ""}


def category_text(config: CategoryConfig, source: Source, facts: Mapping[str, Mapping[str, Any]]) -> str:
    """The category as tables have it, from the facts of a clip's steps."""
    found = category_of(config, source, facts.get("caption", {}), facts.get("category", {}))
    return joined(found["major"], found["fine"])


def _given(text: str) -> dict[str, str]:
    known = named(text)
    if known is not None:
        return {"major": known.major, "fine": known.fine}
    major, slash, fine = text.partition("/")
    return {"major": major if slash else "", "fine": fine if slash else major}


def _said(who: str, config: CategoryConfig, written: Mapping[str, Any], shown: Mapping[str, Any]) -> Category | None:
    if who == "model":
        return taxonomy().get(written.get("category", ""))
    if who == "keywords" and "category" in written:  # by a model that looked; the built-in captions name no sport
        return worded(written["action"], written["full"])
    if who == "clip" and shown.get("probability", 0.0) >= config.min_probability:
        return taxonomy().get(shown.get("fine", ""))
    return None
