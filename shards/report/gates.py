"""Gates: bounds on figures that a data set must keep, for CI of data sets.

headline.samples: {min: 1000}
scores.jitter.kept.median: {max: 80}
reasons.several_people.share_of_clips: {max: 0.3}
funnel.law.holds: {min: 1}
"""

from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from humove.config import Strict
from humove.errors import UserError
from humove.reasons import Reason
from shards.report.paths import join_path, look_up, split_path


class Bound(Strict):
    """What a figure must keep to: at least min, at most max."""

    min: float | None = Field(None, allow_inf_nan=False)
    max: float | None = Field(None, allow_inf_nan=False)

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}")
        return self

    def broken_by(self, value: float | None) -> str:
        """What is wrong with a value, in words; empty when it is in bounds."""
        if value is None:
            return "is not known"
        if self.min is not None and value < self.min:
            return f"is {float(value):g}, below {self.min:g}"
        if self.max is not None and value > self.max:
            return f"is {float(value):g}, above {self.max:g}"
        return ""


def check_gates(figures: dict[str, Any], gates: Path) -> list[str]:
    """One line for each figure that is out of the bounds of a YAML: dotted path of report.json -> {min, max}.

    Truth values count as 0 and 1, a reason that rejected nothing as 0. UserError for a file that is none, and for
    paths that the report does not have, or at which no number stands: all of them, and the broken gates beside them.
    """
    broken, wrong = [], []
    for path, bound in read_gates(gates).items():
        try:
            value = _value(figures, path)
        except KeyError as error:
            wrong.append(f"{path}: {error.args[0]}")
            continue
        if value is not None and not isinstance(value, int | float):
            wrong.append(f"{path} is no number; a gate bounds one figure of report.json")
        elif said := bound.broken_by(value):
            broken.append(f"{path} {said}")
    if wrong:
        raise UserError("\n".join([f"{gates}: {wrong[0]}", *wrong[1:], *(f"gate: {line}" for line in broken)]))
    return broken


def _value(figures: dict[str, Any], path: str) -> Any:
    *before, last = split_path(path)
    if before and before[-1] == "reasons" and last in set(Reason):
        return look_up(figures, join_path(before)).get(last, 0)
    return look_up(figures, path)


def read_gates(gates: Path) -> dict[str, Bound]:
    """The bounds by dotted path; UserError names the first thing wrong with the file."""
    try:
        said = yaml.safe_load(gates.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{gates}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{gates}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(said, dict) or not said:
        raise UserError(f"{gates}: gates are a mapping, as in 'headline.samples: {{min: 100}}'")
    found = {}
    for path, bound in said.items():
        try:
            found[str(path)] = Bound.model_validate(bound)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            said = f"{f'{where}: ' if where else ''}{first['msg']}"
            if first["type"] in ("extra_forbidden", "model_type"):
                said = "no bound; write {min: 1}, {max: 9} or both"
            raise UserError(f"{gates}: {path}: {said}") from error
    return found
