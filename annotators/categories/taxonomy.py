"""The EchoMotion paper's categories, 9 major and 38 fine, as the data file beside this module lists them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from humove.config import Strict


class _Row(Strict):
    phrase: str
    keywords: tuple[str, ...]
    search: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """One fine class."""

    major: str
    fine: str
    phrase: str
    """What a person of this class does: "riding a bicycle"."""
    keywords: tuple[str, ...]
    """Words of a caption that speak for it; a final * stands for any ending."""
    search: tuple[str, ...]
    """Terms to look for videos with."""


@cache
def taxonomy() -> Mapping[str, Category]:
    """Every fine class by its name, in the paper's order."""
    text = Path(__file__).with_name("taxonomy.yaml").read_text(encoding="utf-8")
    return {
        fine: Category(major=major, fine=fine, **_Row.model_validate(row).model_dump())
        for major, classes in yaml.safe_load(text).items()
        for fine, row in classes.items()
    }


def majors() -> tuple[str, ...]:
    """The major classes, in the paper's order."""
    return tuple(dict.fromkeys(c.major for c in taxonomy().values()))


def named(text: str) -> Category | None:
    """The fine class of a name, whatever its case and punctuation: "rock_climbing", "Ball Sports/Golf"."""
    return _names().get(_plain(text.rpartition("/")[2]))


@cache
def _names() -> Mapping[str, Category]:
    return {_plain(fine): c for fine, c in taxonomy().items()}


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", " ", text.casefold().replace("&", " and ")).strip()
