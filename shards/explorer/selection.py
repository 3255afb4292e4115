"""The verdict on every clip under changed thresholds, computed over whole columns."""

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from humove.config.thresholds import StageThresholds
from humove.errors import UserError
from humove.near_duplicates.index import MAX_DISTANCE, DedupConfig
from humove.reasons import Reason
from shards.clips_table import NEAR_DUPLICATES, SCORE, ClipTable
from shards.explorer.near_duplicates import NearDuplicateFilter

OUTCOMES = ("kept", "rejected", "faulted", "open")
"""Outcomes indexed by `Selection.outcome`. An open clip passes these thresholds, but its next step never ran."""
KEPT, REJECTED, FAULTED, OPEN = range(len(OUTCOMES))
_CACHE_SIZE = 16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Selection:
    """The verdict on each of N clips, in the table's order."""

    outcome: np.ndarray
    """(N,) int8, positions in OUTCOMES."""
    stage: np.ndarray
    """(N,) int8, positions in `stages`: the stage that decides the outcome, or the next step of an open clip."""
    reason: np.ndarray
    """(N,) int16, positions in `reasons`; 0 is "", for clips that are kept or open."""
    stages: tuple[str, ...]
    reasons: tuple[str, ...]


class Selector:
    """The judge of a table of clips under any thresholds; its result equals that of a build from the same ledger."""

    def __init__(self, clips: ClipTable) -> None:
        frame = clips.frame
        self._clips, self._duplicates = clips, NearDuplicateFilter(frame)
        self.kept_in_build = (frame["outcome"] == "kept").to_numpy(dtype=bool)
        self.seconds = frame["duration_s"].to_numpy(dtype=np.float64)
        known = [*clips.steps, *frame["stage"].dropna().unique(), NEAR_DUPLICATES]
        self._stages = tuple(name for name in dict.fromkeys(known) if name and name != NEAR_DUPLICATES)
        self._stages += (NEAR_DUPLICATES,)
        stage_codes = {name: code for code, name in enumerate(self._stages)}
        found = [*frame["reason"].dropna().unique(), *frame["stopped_reason"].dropna().unique()]
        self._reasons = tuple(dict.fromkeys(["", *(str(reason) for reason in Reason), *found]))
        self._reason_codes = {name: code for code, name in enumerate(self._reasons)}
        self._reached = self._encode_column("reached", stage_codes)
        self._stopped = self._encode_column("stopped", stage_codes)
        self._stopped_reason = self._encode_column("stopped_reason", self._reason_codes, 0)
        self._ended = np.where(self.kept_in_build, -1, self._encode_column("stage", stage_codes))
        self._ended_reason = self._encode_column("reason", self._reason_codes, 0)
        outcome_codes = {"kept": KEPT, "rejected": REJECTED, "faulted": FAULTED}
        self._ended_outcome = self._encode_column("outcome", outcome_codes, OPEN)
        self._scores = {
            threshold.score: frame[f"{SCORE}{threshold.score}"].to_numpy(dtype=np.float64)
            if f"{SCORE}{threshold.score}" in frame
            else np.full(len(frame), np.nan)
            for threshold in clips.thresholds
        }
        self._selections: OrderedDict[Any, Selection] = OrderedDict()

    def _encode_column(self, column: str, codes: Mapping[str, int], unknown: int = -1) -> np.ndarray:
        return self._clips.frame[column].map(codes).fillna(unknown).to_numpy(dtype=np.int64)

    def resolve_limits(self, changed: Mapping[str, float]) -> dict[str, float]:
        """Return each threshold's limit by setting: the build's unless `changed`. UserError for an unknown setting."""
        limits = {t.setting: self._clips.get_limit(t.setting) for t in self._clips.thresholds}
        for setting, value in changed.items():
            if setting not in limits:
                raise UserError(f"thresholds: no setting {setting[:80]!r}; settings: {', '.join(limits) or 'none'}")
            if not math.isfinite(value):
                raise UserError(f"thresholds: {setting} is {value}; give a number")
        return limits | dict(changed)

    def get_dedup(self) -> DedupConfig:
        """Return the build's settings for near duplicates."""
        settings = self._clips.config.get("dedup", {})
        # Older builds accepted distances that are too large to search in a large data set.
        distance = min(settings.get("max_distance", MAX_DISTANCE), MAX_DISTANCE)
        return DedupConfig(**{**settings, "max_distance": distance} if "max_distance" in settings else settings)

    def ignores_thresholds(self, changed: Mapping[str, float]) -> bool:
        """Return whether no threshold applies: in a score-only data set, until one is changed."""
        return bool(self._clips.config.get("score_only", False)) and not changed

    def select(self, changed: Mapping[str, float], dedup: DedupConfig | None = None) -> Selection:
        """Judge every clip with the limits `changed` in place of the build's."""
        limits, dedup = self.resolve_limits(changed), dedup or self.get_dedup()
        ignored = self.ignores_thresholds(changed)
        key = (tuple(limits.items()), ignored, dedup.near, dedup.max_distance)
        if key not in self._selections:
            self._selections[key] = self._judge_clips(limits, ignored, dedup)
            if len(self._selections) > _CACHE_SIZE:
                self._selections.popitem(last=False)
        return self._selections[key]

    def _judge_clips(self, limits: Mapping[str, float], ignored: bool, dedup: DedupConfig) -> Selection:
        if not self._clips.complete:
            return self._copy_build_outcome()
        count = len(self.seconds)
        outcome = np.full(count, KEPT, np.int8)
        stage = np.full(count, len(self._stages) - 1, np.int8)
        reason = np.zeros(count, np.int16)
        stage_thresholds = {thresholds.stage: thresholds for thresholds in self._clips.stage_thresholds}
        pending = np.ones(count, dtype=bool)

        def decide(rows: np.ndarray, place: int, verdict: int | np.ndarray, code: int | np.ndarray) -> None:
            outcome[rows], stage[rows], pending[rows] = verdict, place, False
            reason[rows] = code

        for place, name in enumerate(self._stages[:-1]):
            # A clip that the build ended here without a record: a fault, or an unavailable source.
            unrun = pending & (self._reached < place)
            lost = unrun & (self._ended == place)
            decide(lost, place, self._ended_outcome[lost], self._ended_reason[lost])
            decide(unrun & ~lost, place, OPEN, 0)
            stopped = pending & (self._stopped == place)
            decide(stopped, place, REJECTED, self._stopped_reason[stopped])
            if name in stage_thresholds and not ignored:
                thresholds = stage_thresholds[name]
                missed = find_missed_threshold(thresholds, self._scores, limits)
                rows = pending & (missed >= 0)
                codes = np.array([self._reason_codes[str(threshold.reason)] for threshold in thresholds.thresholds])
                decide(rows, place, REJECTED, codes[missed[rows]])
        duplicates = self._duplicates.find_removed(pending, dedup)
        if dedup.near == "on":
            duplicates |= pending & ~self._duplicates.known & (self._ended == len(self._stages) - 1)
        decide(duplicates, len(self._stages) - 1, REJECTED, self._reason_codes[str(Reason.NEAR_DUPLICATE)])
        return Selection(outcome=outcome, stage=stage, reason=reason, stages=self._stages, reasons=self._reasons)

    def _copy_build_outcome(self) -> Selection:
        """Return the build's verdicts: without a ledger, no other thresholds can be applied."""
        last = len(self._stages) - 1
        return Selection(
            outcome=self._ended_outcome.astype(np.int8),
            stage=np.where(self._ended < 0, last, self._ended).astype(np.int8),
            reason=np.where(self.kept_in_build, 0, self._ended_reason).astype(np.int16),
            stages=self._stages,
            reasons=self._reasons,
        )


def find_missed_threshold(
    stage: StageThresholds, scores: Mapping[str, np.ndarray], limits: Mapping[str, float]
) -> np.ndarray:
    """Find which of the stage's thresholds rejects each clip: (N,) int64, -1 if it meets them all.

    `scores` holds a column (N,) for each score, NaN where it is missing. Same verdicts as `StageThresholds.judge`.
    """
    count = len(next(iter(scores.values())))
    verdict, worst = np.full(count, -1), np.zeros(count)
    settled = np.zeros(count, dtype=bool)
    for number, threshold in enumerate(stage.thresholds):
        score, limit = scores[threshold.score], limits[threshold.setting]
        missing = np.isnan(score) & (not threshold.optional)
        missed = score < limit if threshold.at_least else score > limit
        if stage.rule == "first" or number == 0:
            final = (missed | missing) & ~settled
            verdict[final] = number
        else:
            final = missing & ~settled
            room = limit if threshold.at_least else 1 - limit
            away = limit - score if threshold.at_least else score - limit
            shortfall = away / room if room else np.zeros(count)
            more = (missed & (shortfall > worst) & ~settled) | final
            verdict[more], worst[more] = number, shortfall[more]
        settled |= final
    return verdict
