"""A sample's category: from the first of the configured sources that has one."""

from collections.abc import Mapping
from typing import Any

from annotators.categories.config import CategoryConfig
from annotators.categories.taxonomy import FineClass, find_category, load_taxonomy
from annotators.categories.wording import match_keywords
from humove.types import Source
from shards.index import join_category


def choose_category(
    config: CategoryConfig, source: Source, caption: Mapping[str, Any], classified: Mapping[str, Any]
) -> dict[str, str]:
    """Return major, fine and source of a sample; empty strings if no source has a category.

    `caption` holds the facts of the caption step, `classified` those of the category step, empty if they did not run.
    A name that is not in the paper's taxonomy is kept: users may have categories of their own.
    """
    for origin in config.sources:
        if origin in ("manifest", "folder"):
            if source.category and source.category_source == origin:
                return {**_parse_category(source.category), "source": origin}
            continue
        found = _infer_category(origin, config, caption, classified)
        if found is not None:
            return {"major": found.major, "fine": found.fine, "source": origin}
    return {"major": "", "fine": "", "source": ""}


def format_category(config: CategoryConfig, source: Source, facts: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the category as a table cell, from the facts of a clip's steps."""
    found = choose_category(config, source, facts.get("caption", {}), facts.get("category", {}))
    return join_category(found["major"], found["fine"])


def _parse_category(text: str) -> dict[str, str]:
    known = find_category(text)
    if known is not None:
        return {"major": known.major, "fine": known.fine}
    major, slash, fine = text.partition("/")
    return {"major": major if slash else "", "fine": fine if slash else major}


def _infer_category(
    origin: str, config: CategoryConfig, caption: Mapping[str, Any], classified: Mapping[str, Any]
) -> FineClass | None:
    if origin == "model":
        return load_taxonomy().get(caption.get("category", ""))
    if origin == "keywords" and "category" in caption:  # a vision model's caption; built-in captions name no sport
        return match_keywords(caption["action"], caption["full"])
    if origin == "clip" and classified.get("probability", 0.0) >= config.min_probability:
        return load_taxonomy().get(classified.get("fine", ""))
    return None
