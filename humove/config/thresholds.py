"""Thresholds on a clip's scores, and the verdict of a stage's thresholds together."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import numpy as np

from humove.config.strict import Strict
from humove.reasons import Reason
from humove.stage import Reject

_JSON_KEYS = {"message": "said"}
"""Fields of a threshold whose key in a clips table is another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A lower (`at_least`) or upper limit on one score; the limit itself is a setting."""

    setting: str
    """The setting that holds the limit, as in screen.min_brightness."""
    score: str
    at_least: bool
    reason: Reason
    message: str
    """The detail of a rejection: a template over `score` and `limit`."""
    low: float
    high: float
    """The range of limits that is useful: that of a slider."""
    minimum: float | None
    maximum: float | None
    """The range of limits that the configuration accepts; None where it is open."""
    description: str
    optional: bool = False
    """Not every annotator measures the score: a clip without it passes."""

    @property
    def field(self) -> str:
        """The setting's name within its section."""
        return self.setting.rpartition(".")[2]

    def is_missed(self, score: float, limit: float) -> bool:
        return score < limit if self.at_least else score > limit

    def compute_shortfall(self, score: float, limit: float) -> float:
        """Return by how much a score misses the limit, as a share of the largest possible miss; scores in 0..1."""
        room = limit if self.at_least else 1 - limit
        away = limit - score if self.at_least else score - limit
        return away / room if room else 0.0

    def make_reject(self, scores: Mapping[str, float], limit: float) -> Reject:
        score = scores[self.score]
        detail = self.message.format(score=score, limit=limit)
        return Reject(reason=self.reason, detail=detail, score=score, threshold=limit, scores=dict(scores))


@dataclass(frozen=True, slots=True, kw_only=True)
class StageThresholds:
    """The thresholds of one stage.

    By the rule "first" the first threshold missed gives the reason. By the rule "worst" it is the one with the largest
    shortfall, except that the first threshold precedes all others.
    """

    stage: str
    rule: Literal["first", "worst"]
    thresholds: tuple[Threshold, ...]

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Parse what `to_json` returned."""
        fields = {key: field for field, key in _JSON_KEYS.items()}
        rows = ({fields.get(key, key): value for key, value in row.items()} for row in document["bars"])
        thresholds = tuple(Threshold(**{**row, "reason": Reason(row["reason"])}) for row in rows)
        return cls(stage=document["stage"], rule=document["rule"], thresholds=thresholds)

    def to_json(self) -> dict[str, Any]:
        """Return the form in which a clips table stores the thresholds."""
        rows = (asdict(threshold) for threshold in self.thresholds)
        bars = [{_JSON_KEYS.get(field, field): value for field, value in row.items()} for row in rows]
        return {"stage": self.stage, "rule": self.rule, "bars": bars}

    def find_missed(self, columns: Mapping[str, np.ndarray], count: int, config: Strict) -> np.ndarray:
        """Return the same verdict as `judge` for many clips: (N,) int64, the deciding threshold, -1 where none.

        `columns` holds (N,) float64 by score, NaN where a clip lacks it; N is `count`.
        """
        decides, settled = np.full(count, -1), np.zeros(count, bool)
        worst, absent = np.zeros(count), np.full(count, np.nan)
        for index, threshold in enumerate(self.thresholds):
            limit = float(getattr(config, threshold.field))
            score = columns.get(threshold.score, absent)
            lacking = np.isnan(score)
            if not threshold.optional:
                decides[lacking & ~settled] = index
                settled |= lacking
            missed = ~settled & ~lacking & ((score < limit) if threshold.at_least else (score > limit))
            if self.rule == "first" or index == 0:
                decides[missed] = index
                settled |= missed
            elif missed.any():
                shortfall = np.where(missed, threshold.compute_shortfall(score, limit), 0.0)
                further = shortfall > worst
                decides[further], worst[further] = index, shortfall[further]
        return decides

    def explain(self, index: int, score: float, config: Strict) -> Reject:
        """Return the rejection by threshold `index`; `score` is NaN where the clip lacks it."""
        threshold = self.thresholds[index]
        limit = float(getattr(config, threshold.field))
        if np.isnan(score):
            return Reject(reason=threshold.reason, detail=f"no {threshold.score}: no valid frame", threshold=limit)
        return threshold.make_reject({threshold.score: score}, limit)

    def judge(self, scores: Mapping[str, float], config: Strict) -> Reject | None:
        """Judge a clip's scores under a section of the configuration; None where it passes.

        A missing score counts as missed unless its threshold is optional.
        """
        worst, verdict = 0.0, None
        for threshold in self.thresholds:
            limit = float(getattr(config, threshold.field))
            if threshold.score not in scores:
                if threshold.optional:
                    continue
                return Reject(reason=threshold.reason, detail=f"no {threshold.score}: no valid frame", threshold=limit)
            score = scores[threshold.score]
            if not threshold.is_missed(score, limit):
                continue
            if self.rule == "first" or threshold is self.thresholds[0]:
                return threshold.make_reject(scores, limit)
            shortfall = threshold.compute_shortfall(score, limit)
            if shortfall > worst:
                worst, verdict = shortfall, threshold.make_reject(scores, limit)
        return verdict


def make_stage_thresholds(
    stage: str,
    rule: Literal["first", "worst"],
    config: type[Strict],
    *rows: tuple[str, str, Reason, str, float, float],
    optional: Collection[str] = (),
) -> StageThresholds:
    """Make thresholds from rows of (field of the section, score, reason, message, low, high).

    A field min_x is a lower limit. `optional` names the fields whose scores not every annotator measures.
    """
    thresholds = tuple(
        Threshold(
            setting=f"{stage}.{field}",
            score=score,
            at_least=field.startswith("min_"),
            reason=reason,
            message=message,
            low=low,
            high=high,
            minimum=_find_constraint(config, field, "ge", "gt"),
            maximum=_find_constraint(config, field, "le", "lt"),
            description=config.model_fields[field].description or "",
            optional=field in optional,
        )
        for field, score, reason, message, low, high in rows
    )
    return StageThresholds(stage=stage, rule=rule, thresholds=thresholds)


def _find_constraint(config: type[Strict], field: str, *kinds: str) -> float | None:
    values = (getattr(rule, kind, None) for rule in config.model_fields[field].metadata for kind in kinds)
    return next((float(value) for value in values if value is not None), None)
