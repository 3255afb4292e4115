"""Whose word counts for a category."""

import pytest

from annotators.categories.config import CategoryConfig
from humove.types import Source
from pipelines.category import category_of, category_text

WRITTEN = {"action": "swings a golf club", "full": "On a tennis court a man swings a golf club.", "category": "Tennis"}
MEASURED = {"action": "The person walks.", "full": "A person walks."}
SEEN = {"fine": "Judo", "probability": 0.6}


@pytest.mark.parametrize(
    ("sources", "source", "written", "seen", "wanted"),
    [
        ("manifest folder", Source(category="golf", category_source="folder"), WRITTEN, SEEN,
         ("Ball Sports", "Golf", "folder")),
        ("manifest", Source(category="golf", category_source="folder"), WRITTEN, SEEN, ("", "", "")),
        ("manifest", Source(category="upper body/wave", category_source="manifest"), WRITTEN, SEEN,
         ("upper body", "wave", "manifest")),
        ("manifest", Source(category="mine", category_source="manifest"), WRITTEN, SEEN, ("", "mine", "manifest")),
        ("model folder", Source(category="golf", category_source="folder"), WRITTEN, SEEN,
         ("Ball Sports", "Tennis", "model")),
        ("keywords", Source(), WRITTEN, SEEN, ("Ball Sports", "Golf", "keywords")),
        ("model keywords clip", Source(), MEASURED, SEEN, ("Combat Sports", "Judo", "clip")),
        ("clip", Source(), WRITTEN, {"fine": "Judo", "probability": 0.4}, ("", "", "")),
        ("clip", Source(), WRITTEN, {}, ("", "", "")),
        ("model keywords", Source(), {"action": "x", "full": "y", "category": ""}, {}, ("", "", "")),
    ],
)  # fmt: skip
def test_the_first_source_that_knows_is_believed(sources, source, written, seen, wanted) -> None:
    config = CategoryConfig(sources=tuple(sources.split()))
    found = category_of(config, source, written, seen)
    assert (found["major"], found["fine"], found["source"]) == wanted
    joined = category_text(config, source, {"caption": written, "category": seen})
    assert joined == "/".join(part for part in wanted[:2] if part)


def test_a_clip_that_came_to_no_caption_has_what_the_folder_says() -> None:
    source = Source(category="Judo", category_source="folder")
    assert category_text(CategoryConfig(), source, {}) == "Combat Sports/Judo"
    assert category_text(CategoryConfig(sources=("model", "keywords", "clip")), source, {}) == ""
