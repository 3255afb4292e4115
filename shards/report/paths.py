"""Dotted paths into the figures: splits.train.samples, shards.0.bytes. A dot within a name is written `\\.`."""

import re
from collections.abc import Iterator, Sequence
from typing import Any


def join_path(steps: Sequence[str | int]) -> str:
    """The dotted path of these steps: names of objects, places in lists."""
    return ".".join(str(step).replace("\\", "\\\\").replace(".", "\\.") for step in steps)


def split_path(path: str) -> list[str]:
    """The steps of a dotted path."""
    parts = re.split(r"(?<!\\)((?:\\\\)*)\.", path)
    whole = [a + b for a, b in zip(parts[::2], [*parts[1::2], ""], strict=True)]
    return [re.sub(r"\\(.)", r"\1", part) for part in whole]


def look_up(figures: Any, path: str) -> Any:
    """What stands at a dotted path. KeyError, with the steps that would have been right, where nothing does."""
    here, been = figures, []
    for step in split_path(path):
        if isinstance(here, dict) and step in here:
            here = here[step]
        elif isinstance(here, list) and step.isdecimal() and int(step) < len(here):
            here = here[int(step)]
        else:
            raise KeyError(f"no {step!r} in {join_path(been) or 'the report'}; {_known(here)}")
        been.append(step)
    return here


def _known(here: Any) -> str:
    if isinstance(here, dict):
        names = list(map(str, here))
        return "it has " + ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"it is a list of {len(here)}" if isinstance(here, list) else "a value stands there"


def numbers(figures: Any, steps: tuple[str | int, ...] = ()) -> Iterator[tuple[str, float | None]]:
    """(dotted path, value) of every number, truth value and unknown (None) that stands under names alone, no lists."""
    if isinstance(figures, dict):
        for name, value in figures.items():
            yield from numbers(value, (*steps, name))
    elif figures is None or isinstance(figures, int | float):
        yield join_path(steps), figures
