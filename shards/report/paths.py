"""Dotted paths into the figures: splits.train.samples, shards.0.bytes. A dot within a name is written `\\.`."""

import re
from collections.abc import Iterator, Sequence
from typing import Any


def join_path(steps: Sequence[str | int]) -> str:
    """Join steps, which are names of objects or indices of lists, to a dotted path."""
    return ".".join(str(step).replace("\\", "\\\\").replace(".", "\\.") for step in steps)


def split_path(path: str) -> list[str]:
    """Split a dotted path into its steps."""
    parts = re.split(r"(?<!\\)((?:\\\\)*)\.", path)
    joined = [a + b for a, b in zip(parts[::2], [*parts[1::2], ""], strict=True)]
    return [re.sub(r"\\(.)", r"\1", part) for part in joined]


def look_up(figures: Any, path: str) -> Any:
    """Look up the value at a dotted path. KeyError with the valid steps if there is none."""
    here, done = figures, []
    for step in split_path(path):
        if isinstance(here, dict) and step in here:
            here = here[step]
        elif isinstance(here, list) and step.isdecimal() and int(step) < len(here):
            here = here[int(step)]
        else:
            raise KeyError(f"no {step!r} in {join_path(done) or 'the report'}; {_describe_keys(here)}")
        done.append(step)
    return here


def _describe_keys(here: Any) -> str:
    if isinstance(here, dict):
        names = list(map(str, here))
        return "it has " + ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"it is a list of {len(here)}" if isinstance(here, list) else "it is a single value"


def iterate_numbers(figures: Any, steps: tuple[str | int, ...] = ()) -> Iterator[tuple[str, float | None]]:
    """Iterate over (dotted path, value) of all numbers, booleans and None outside of lists."""
    if isinstance(figures, dict):
        for name, value in figures.items():
            yield from iterate_numbers(value, (*steps, name))
    elif figures is None or isinstance(figures, int | float):
        yield join_path(steps), figures
