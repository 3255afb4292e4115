"""Gates: bounds on a data set's figures, for CI of data sets.

headline.samples: {min: 1000}
scores.jitter.kept.median: {max: 80}
reasons.several_people.share_of_clips: {max: 0.3}
funnel.law.holds: {min: 1}
"""

from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from humove.config.strict import Strict
from humove.errors import UserError
from humove.reasons import Reason
from shards.report.paths import join_path, look_up, split_path


class Bound(Strict):
    """Bounds of a figure: at least min, at most max."""

    min: float | None = Field(None, allow_inf_nan=False)
    max: float | None = Field(None, allow_inf_nan=False)

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}")
        return self

    def describe_violation(self, value: float | None) -> str:
        """Describe how a value violates the bounds; an empty string if it does not."""
        if value is None:
            return "is not known"
        if self.min is not None and value < self.min:
            return f"is {float(value):g}, below {self.min:g}"
        if self.max is not None and value > self.max:
            return f"is {float(value):g}, above {self.max:g}"
        return ""


def check_gates(figures: dict[str, Any], gates: Path) -> list[str]:
    """Check figures against the bounds in a YAML file: dotted path of report.json -> {min, max}. Return a line each.

    Booleans count as 0 and 1, a reason without rejects as 0. UserError for an invalid file, and for paths that the
    report does not have or that are not numbers: it lists all of them, and the broken gates.
    """
    broken, wrong = [], []
    for path, bound in read_gates(gates).items():
        try:
            value = _get_value(figures, path)
        except KeyError as error:
            wrong.append(f"{path}: {error.args[0]}")
            continue
        if value is not None and not isinstance(value, int | float):
            wrong.append(f"{path} is not a number; a gate bounds one figure of report.json")
        elif violation := bound.describe_violation(value):
            broken.append(f"{path} {violation}")
    if wrong:
        raise UserError("\n".join([f"{gates}: {wrong[0]}", *wrong[1:], *(f"gate: {line}" for line in broken)]))
    return broken


def _get_value(figures: dict[str, Any], path: str) -> Any:
    *before, last = split_path(path)
    if before and before[-1] == "reasons" and last in set(Reason):
        return look_up(figures, join_path(before)).get(last, 0)
    return look_up(figures, path)


def read_gates(gates: Path) -> dict[str, Bound]:
    """Read the bounds by dotted path. UserError with the first invalid entry."""
    try:
        document = yaml.safe_load(gates.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{gates}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{gates}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict) or not document:
        raise UserError(f"{gates}: gates are a mapping, such as 'headline.samples: {{min: 100}}'")
    found = {}
    for path, bound in document.items():
        try:
            found[str(path)] = Bound.model_validate(bound)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            message = f"{f'{where}: ' if where else ''}{first['msg']}"
            if first["type"] in ("extra_forbidden", "model_type"):
                message = "not a bound; write {min: 1}, {max: 9} or both"
            raise UserError(f"{gates}: {path}: {message}") from error
    return found
