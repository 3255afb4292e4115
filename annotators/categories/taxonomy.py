"""The EchoMotion paper's categories, 9 major and 38 fine, read from taxonomy.yaml."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from humove.config.strict import Strict


class _CategoryRow(Strict):
    phrase: str
    keywords: tuple[str, ...]
    search: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FineClass:
    """One fine class."""

    major: str
    fine: str
    phrase: str
    """What a person of this class does: "riding a bicycle"."""
    keywords: tuple[str, ...]
    """Words of a caption that indicate it; a final * matches any ending."""
    search: tuple[str, ...]
    """Search terms for videos."""


@cache
def load_taxonomy() -> Mapping[str, FineClass]:
    """Load all fine classes by name, in the paper's order."""
    text = Path(__file__).with_name("taxonomy.yaml").read_text(encoding="utf-8")
    return {
        fine: FineClass(major=major, fine=fine, **_CategoryRow.model_validate(row).model_dump())
        for major, classes in yaml.safe_load(text).items()
        for fine, row in classes.items()
    }


def list_majors() -> tuple[str, ...]:
    """List the major classes, in the paper's order."""
    return tuple(dict.fromkeys(c.major for c in load_taxonomy().values()))


def find_category(text: str) -> FineClass | None:
    """Find the fine class of a name, ignoring case and punctuation: "rock_climbing", "Ball Sports/Golf"."""
    return _index_names().get(_normalize_name(text.rpartition("/")[2]))


@cache
def _index_names() -> Mapping[str, FineClass]:
    return {_normalize_name(fine): c for fine, c in load_taxonomy().items()}


def _normalize_name(text: str) -> str:
    return re.sub(r"[\W_]+", " ", text.casefold().replace("&", " and ")).strip()
