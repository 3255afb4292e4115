"""What other thresholds would do to every clip: the build's verdicts, over whole columns at once."""

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from humove.bars import StageBars
from humove.errors import UserError
from humove.near_duplicates import MAX_DISTANCE, DedupConfig
from humove.reasons import Reason
from shards.clips import NEAR_DUPLICATES, SCORE, ClipTable
from shards.explorer.twins import Twins

OUTCOMES = ("kept", "rejected", "faulted", "open")
"""What `Selection.outcome` counts in. An open clip is let in by these thresholds, but its next step never ran."""
KEPT, REJECTED, FAULTED, OPEN = range(len(OUTCOMES))
_REMEMBERED = 16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Selection:
    """The verdict on each of N clips, in the table's order."""

    outcome: np.ndarray
    """(N,) int8, positions in OUTCOMES."""
    stage: np.ndarray
    """(N,) int8, positions in `stages`: where the clip's way ends, or the step that it waits for."""
    reason: np.ndarray
    """(N,) int16, positions in `reasons`; 0 is "", of clips that are kept or open."""
    stages: tuple[str, ...]
    reasons: tuple[str, ...]


class Selector:
    """Judges a table of clips under any thresholds, with the same result as a build of its ledger."""

    def __init__(self, clips: ClipTable) -> None:
        frame = clips.frame
        self._clips, self._twins = clips, Twins(frame)
        self.kept_before = (frame["outcome"] == "kept").to_numpy(dtype=bool)
        self.seconds = frame["duration_s"].to_numpy(dtype=np.float64)
        known = [*clips.steps, *frame["stage"].dropna().unique(), NEAR_DUPLICATES]
        self._stages = tuple(name for name in dict.fromkeys(known) if name and name != NEAR_DUPLICATES)
        self._stages += (NEAR_DUPLICATES,)
        self._place = {name: number for number, name in enumerate(self._stages)}
        given = [*frame["reason"].dropna().unique(), *frame["stopped_reason"].dropna().unique()]
        self._reasons = tuple(dict.fromkeys(["", *(str(reason) for reason in Reason), *given]))
        self._reason = {name: number for number, name in enumerate(self._reasons)}
        self._reached = self._codes("reached", self._place)
        self._stopped = self._codes("stopped", self._place)
        self._stopped_reason = self._codes("stopped_reason", self._reason, 0)
        self._ended = np.where(self.kept_before, -1, self._codes("stage", self._place))
        self._ended_reason = self._codes("reason", self._reason, 0)
        self._ended_outcome = self._codes("outcome", {"kept": KEPT, "rejected": REJECTED, "faulted": FAULTED}, OPEN)
        self._scores = {
            bar.score: frame[f"{SCORE}{bar.score}"].to_numpy(dtype=np.float64)
            if f"{SCORE}{bar.score}" in frame
            else np.full(len(frame), np.nan)
            for bar in clips.bars
        }
        self._done: OrderedDict[Any, Selection] = OrderedDict()

    def _codes(self, column: str, codes: Mapping[str, int], unknown: int = -1) -> np.ndarray:
        return self._clips.frame[column].map(codes).fillna(unknown).to_numpy(dtype=np.int64)

    def thresholds(self, changed: Mapping[str, float]) -> dict[str, float]:
        """Every bar's threshold: the build's, but for those `changed`. UserError for a setting that is none."""
        settled = {bar.setting: self._clips.threshold(bar.setting) for bar in self._clips.bars}
        for setting, value in changed.items():
            if setting not in settled:
                raise UserError(f"thresholds: no setting {setting[:80]!r}; settings: {', '.join(settled) or 'none'}")
            if not math.isfinite(value):
                raise UserError(f"thresholds: {setting} is {value}; give a number")
        return settled | dict(changed)

    def dedup(self) -> DedupConfig:
        """The build's rule on near duplicates."""
        settings = self._clips.config.get("dedup", {})
        # Older builds took distances that are too large to be searched for in a large set.
        distance = min(settings.get("max_distance", MAX_DISTANCE), MAX_DISTANCE)
        return DedupConfig(**{**settings, "max_distance": distance} if "max_distance" in settings else settings)

    def lifted(self, changed: Mapping[str, float]) -> bool:
        """Whether thresholds are lifted: in a set of scores alone, until one of them is moved."""
        return bool(self._clips.config.get("score_only", False)) and not changed

    def select(self, changed: Mapping[str, float], dedup: DedupConfig | None = None) -> Selection:
        """The verdict on every clip where the thresholds `changed` take the place of the build's."""
        thresholds, dedup = self.thresholds(changed), dedup or self.dedup()
        key = (tuple(thresholds.items()), self.lifted(changed), dedup.near, dedup.max_distance)
        if key not in self._done:
            self._done[key] = self._select(thresholds, self.lifted(changed), dedup)
            if len(self._done) > _REMEMBERED:
                self._done.popitem(last=False)
        return self._done[key]

    def _select(self, thresholds: Mapping[str, float], lifted: bool, dedup: DedupConfig) -> Selection:
        if not self._clips.complete:
            return self._as_built()
        count = len(self.seconds)
        outcome = np.full(count, KEPT, np.int8)
        stage = np.full(count, len(self._stages) - 1, np.int8)
        reason = np.zeros(count, np.int16)
        bars = {stage_bars.stage: stage_bars for stage_bars in self._clips.stage_bars}
        going = np.ones(count, dtype=bool)

        def end(who: np.ndarray, place: int, how: int | np.ndarray, why: int | np.ndarray) -> None:
            outcome[who], stage[who], going[who] = how, place, False
            reason[who] = why

        for place, name in enumerate(self._stages[:-1]):
            # Ended here by the build without a record: a fault, a source that is gone.
            unrun = going & (self._reached < place)
            lost = unrun & (self._ended == place)
            end(lost, place, self._ended_outcome[lost], self._ended_reason[lost])
            end(unrun & ~lost, place, OPEN, 0)
            stopped = going & (self._stopped == place)
            end(stopped, place, REJECTED, self._stopped_reason[stopped])
            if name in bars and not lifted:
                missed = missed_bar(bars[name], self._scores, thresholds)
                who = going & (missed >= 0)
                codes = np.array([self._reason[str(bar.reason)] for bar in bars[name].bars])
                end(who, place, REJECTED, codes[missed[who]])
        gone = self._twins.gone(going, dedup)
        if dedup.near == "on":
            gone |= going & ~self._twins.known & (self._ended == len(self._stages) - 1)
        end(gone, len(self._stages) - 1, REJECTED, self._reason[str(Reason.NEAR_DUPLICATE)])
        return Selection(outcome=outcome, stage=stage, reason=reason, stages=self._stages, reasons=self._reasons)

    def _as_built(self) -> Selection:
        """Without a ledger nothing is known of what other thresholds would do."""
        last = len(self._stages) - 1
        return Selection(
            outcome=self._ended_outcome.astype(np.int8),
            stage=np.where(self._ended < 0, last, self._ended).astype(np.int8),
            reason=np.where(self.kept_before, 0, self._ended_reason).astype(np.int16),
            stages=self._stages,
            reasons=self._reasons,
        )


def missed_bar(stage: StageBars, scores: Mapping[str, np.ndarray], thresholds: Mapping[str, float]) -> np.ndarray:
    """(N,) int64: which of the stage's bars each clip is rejected for, -1 where it meets them all.

    `scores` holds a column (N,) for each bar's score, NaN where it is missing; the verdicts are StageBars.judge's.
    """
    count = len(next(iter(scores.values())))
    verdict, worst = np.full(count, -1), np.zeros(count)
    settled = np.zeros(count, dtype=bool)
    for number, bar in enumerate(stage.bars):
        score, threshold = scores[bar.score], thresholds[bar.setting]
        missing = np.isnan(score) & (not bar.optional)
        missed = score < threshold if bar.at_least else score > threshold
        if stage.rule == "first" or number == 0:
            final = (missed | missing) & ~settled
            verdict[final] = number
        else:
            final = missing & ~settled
            room = threshold if bar.at_least else 1 - threshold
            away = threshold - score if bar.at_least else score - threshold
            shortfall = away / room if room else np.zeros(count)
            more = (missed & (shortfall > worst) & ~settled) | final
            verdict[more], worst[more] = number, shortfall[more]
        settled |= final
    return verdict
