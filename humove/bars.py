"""The bars that a clip is held against: one score, one threshold, one reason each, and the verdict of several."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from humove.config import Strict
from humove.reasons import Reason
from humove.stage import Reject


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A score that must reach its threshold (`at_least`), or must not pass it."""

    setting: str
    """Where the threshold stands in the configuration, as in screen.min_brightness."""
    score: str
    at_least: bool
    reason: Reason
    said: str
    """What is said of a clip that misses it: a template over `score` and `bar`."""
    low: float
    high: float
    """Between these the threshold is of use: the range of a slider."""
    minimum: float | None
    maximum: float | None
    """What the configuration takes at all; None where it sets no limit."""
    description: str
    optional: bool = False
    """Not every annotator measures the score: a clip without it is not held against the bar."""

    @property
    def field(self) -> str:
        """The setting's name within its section."""
        return self.setting.rpartition(".")[2]

    def missed(self, score: float, threshold: float) -> bool:
        return score < threshold if self.at_least else score > threshold

    def shortfall(self, score: float, threshold: float) -> float:
        """By how much a score misses the bar, as a share of how far it could: only for scores from 0 to 1."""
        room = threshold if self.at_least else 1 - threshold
        away = threshold - score if self.at_least else score - threshold
        return away / room if room else 0.0

    def reject(self, scores: Mapping[str, float], threshold: float) -> Reject:
        score = scores[self.score]
        said = self.said.format(score=score, bar=threshold)
        return Reject(reason=self.reason, detail=said, score=score, threshold=threshold, scores=dict(scores))


@dataclass(frozen=True, slots=True, kw_only=True)
class StageBars:
    """The bars of one stage.

    Of several bars missed the first one is the reason; by the rule "worst" it is the one that is missed by most, but
    for the first bar, which goes before all others.
    """

    stage: str
    rule: Literal["first", "worst"]
    bars: tuple[Bar, ...]

    def find_missed(self, columns: Mapping[str, np.ndarray], count: int, config: Strict) -> np.ndarray:
        """The same verdict as `judge`, of many clips at once: (N,) int64, which of the bars decides, -1 where none.

        `columns` holds (N,) float64 by score, NaN where a clip lacks it; N is `count`.
        """
        decides, settled = np.full(count, -1), np.zeros(count, bool)
        worst, nothing = np.zeros(count), np.full(count, np.nan)
        for index, bar in enumerate(self.bars):
            threshold = float(getattr(config, bar.field))
            score = columns.get(bar.score, nothing)
            lacking = np.isnan(score)
            if not bar.optional:
                decides[lacking & ~settled] = index
                settled |= lacking
            missed = ~settled & ~lacking & ((score < threshold) if bar.at_least else (score > threshold))
            if self.rule == "first" or index == 0:
                decides[missed] = index
                settled |= missed
            elif missed.any():
                shortfall = np.where(missed, bar.shortfall(score, threshold), 0.0)
                further = shortfall > worst
                decides[further], worst[further] = index, shortfall[further]
        return decides

    def explain(self, index: int, score: float, config: Strict) -> Reject:
        """The reject of a clip that bar `index` decides on; `score` is NaN where the clip lacks it."""
        bar = self.bars[index]
        threshold = float(getattr(config, bar.field))
        if np.isnan(score):
            return Reject(reason=bar.reason, detail=f"no {bar.score}: no valid frame", threshold=threshold)
        return bar.reject({bar.score: score}, threshold)

    def judge(self, scores: Mapping[str, float], config: Strict) -> Reject | None:
        """The verdict on a clip's scores under a section of the configuration; a score that is missing is missed,
        unless the bar is optional."""
        worst, verdict = 0.0, None
        for bar in self.bars:
            threshold = float(getattr(config, bar.field))
            if bar.score not in scores:
                if bar.optional:
                    continue
                return Reject(reason=bar.reason, detail=f"no {bar.score}: no valid frame", threshold=threshold)
            score = scores[bar.score]
            if not bar.missed(score, threshold):
                continue
            if self.rule == "first" or bar is self.bars[0]:
                return bar.reject(scores, threshold)
            if bar.shortfall(score, threshold) > worst:
                worst, verdict = bar.shortfall(score, threshold), bar.reject(scores, threshold)
        return verdict


def stage_bars(
    stage: str,
    rule: Literal["first", "worst"],
    config: type[Strict],
    *rows: tuple[str, str, Reason, str, float, float],
    optional: Collection[str] = (),
) -> StageBars:
    """Bars from rows of (field of the section, score, reason, said, low, high); a field min_x is a lower bound.

    `optional` names the fields whose scores not every annotator measures.
    """
    return StageBars(
        stage=stage,
        rule=rule,
        bars=tuple(
            Bar(
                setting=f"{stage}.{field}",
                score=score,
                at_least=field.startswith("min_"),
                reason=reason,
                said=said,
                low=low,
                high=high,
                minimum=_limit(config, field, "ge", "gt"),
                maximum=_limit(config, field, "le", "lt"),
                description=config.model_fields[field].description or "",
                optional=field in optional,
            )
            for field, score, reason, said, low, high in rows
        ),
    )


def _limit(config: type[Strict], field: str, *kinds: str) -> float | None:
    said = (getattr(rule, kind, None) for rule in config.model_fields[field].metadata for kind in kinds)
    return next((float(limit) for limit in said if limit is not None), None)
