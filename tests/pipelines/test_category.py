"""The source of a sample's category."""

import pytest

from annotators.categories.config import CategoryConfig
from humove.types import Source
from pipelines.category import choose_category, format_category

CAPTION = {"action": "swings a golf club", "full": "On a tennis court a man swings a golf club.", "category": "Tennis"}
MEASURED = {"action": "The person walks.", "full": "A person walks."}
CLASSIFIED = {"fine": "Judo", "probability": 0.6}


@pytest.mark.parametrize(
    ("sources", "source", "caption", "classified", "wanted"),
    [
        ("manifest folder", Source(category="golf", category_source="folder"), CAPTION, CLASSIFIED,
         ("Ball Sports", "Golf", "folder")),
        ("manifest", Source(category="golf", category_source="folder"), CAPTION, CLASSIFIED, ("", "", "")),
        ("manifest", Source(category="upper body/wave", category_source="manifest"), CAPTION, CLASSIFIED,
         ("upper body", "wave", "manifest")),
        ("manifest", Source(category="mine", category_source="manifest"), CAPTION, CLASSIFIED,
         ("", "mine", "manifest")),
        ("model folder", Source(category="golf", category_source="folder"), CAPTION, CLASSIFIED,
         ("Ball Sports", "Tennis", "model")),
        ("keywords", Source(), CAPTION, CLASSIFIED, ("Ball Sports", "Golf", "keywords")),
        ("model keywords clip", Source(), MEASURED, CLASSIFIED, ("Combat Sports", "Judo", "clip")),
        ("clip", Source(), CAPTION, {"fine": "Judo", "probability": 0.4}, ("", "", "")),
        ("clip", Source(), CAPTION, {}, ("", "", "")),
        ("model keywords", Source(), {"action": "x", "full": "y", "category": ""}, {}, ("", "", "")),
    ],
)  # fmt: skip
def test_the_first_source_with_a_category_counts(sources, source, caption, classified, wanted) -> None:
    config = CategoryConfig(sources=tuple(sources.split()))
    found = choose_category(config, source, caption, classified)
    assert (found["major"], found["fine"], found["source"]) == wanted
    joined = format_category(config, source, {"caption": caption, "category": classified})
    assert joined == "/".join(part for part in wanted[:2] if part)


def test_a_clip_without_a_caption_has_the_category_of_its_folder() -> None:
    source = Source(category="Judo", category_source="folder")
    assert format_category(CategoryConfig(), source, {}) == "Combat Sports/Judo"
    assert format_category(CategoryConfig(sources=("model", "keywords", "clip")), source, {}) == ""
