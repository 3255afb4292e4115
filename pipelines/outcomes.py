"""What became of every unit: the rows of outcomes.parquet, and the counts by stage. Both from the same states."""

from collections import Counter
from collections.abc import Iterator

from humove.reasons import Reason
from humove.stage import Reject
from pipelines.plan import STAGES
from pipelines.walk import FAULTED, GONE, MISSING, REJECTED, SPLIT, ClipState, InputState
from shards.documents import StageCounts
from shards.format import transitions_detail
from shards.index import Outcome

_CLIP_STAGES = STAGES[STAGES.index("screen") :]


def outcomes_of(state: InputState, twins: dict[str, str]) -> Iterator[Outcome]:
    """The rows of one input: the video, its shots, its clips. `twins` are the near-duplicates and what they repeat."""
    common = {"video_id": state.video_id, "uri": state.item.uri}
    if state.outcome != SPLIT:
        yield Outcome(unit="video", stage=state.stage, outcome=_settled(state), **common, **_why(state))
        return
    end = state.video.num_frames
    last = max((shot.times[1] for shot in state.shots), default=float(end / state.video.fps))
    said = transitions_detail(list(state.transitions))
    yield Outcome(unit="video", stage="split", outcome=SPLIT, detail=said, **common, **_span(0, end, (0.0, last)))
    for shot in state.shots:
        span = _span(shot.start_frame, shot.end_frame, shot.times)
        outcome = REJECTED if shot.reject else SPLIT
        yield Outcome(unit="shot", stage="clip", outcome=outcome, **common, **span, **_reason(shot.reject))
        for clip in shot.clips:
            stage, outcome, why = clip_end(clip, twins)
            span = _span(clip.clip.start_frame, clip.clip.end_frame, clip.times)
            yield Outcome(unit="clip", clip_id=clip.clip.clip_id, stage=stage, outcome=outcome, **common, **span, **why)


def clip_end(clip: ClipState, twins: dict[str, str]) -> tuple[str, str, dict]:
    """The stage where a clip's way ended, how, and why."""
    twin = twins.get(clip.clip.clip_id)
    if twin is None:
        return clip.stage or STAGES[-1], _settled(clip), _why(clip)
    reject = Reject(reason=Reason.NEAR_DUPLICATE, detail=f"nearly the same pictures as {twin}")
    return STAGES[-1], REJECTED, _reason(reject)


def _span(start: int, end: int, times: tuple[float, float]) -> dict:
    return {"start_frame": start, "end_frame": end, "start_s": times[0], "end_s": times[1]}


def _settled(state: InputState | ClipState) -> str:
    """In a committed batch a record can be missing whose source was gone then, and is back now: it stays rejected."""
    return REJECTED if state.outcome == MISSING else state.outcome


def _why(state: InputState | ClipState) -> dict:
    if state.outcome == MISSING:
        return _reason(GONE)
    if state.fault is not None:
        return {"reason": "fault", "detail": state.fault.error}
    return _reason(state.reject)


def _reason(reject: Reject | None) -> dict:
    if reject is None:
        return {}
    return {"reason": str(reject.reason), "detail": reject.detail, "score": reject.score, "threshold": reject.threshold}


class Counts:
    """What became of every stage's inputs: videos up to `split`, shots at `clip`, clips from `screen` on."""

    def __init__(self) -> None:
        self._inputs: Counter = Counter()
        self._rejected: Counter = Counter()
        self._faulted: Counter = Counter()

    def add(self, state: InputState, twins: dict[str, str]) -> None:
        self._walk(("ingest", "scan", "split"), state.stage, _settled(state))
        for shot in state.shots:
            self._walk(("clip",), "clip", REJECTED if shot.reject else SPLIT)
            for clip in shot.clips:
                stage, outcome, _ = clip_end(clip, twins)
                self._walk(_CLIP_STAGES, stage, outcome)

    def _walk(self, stages: tuple[str, ...], ended: str, outcome: str) -> None:
        """One unit enters each stage up to the one where it ended."""
        for stage in stages:
            self._inputs[stage] += 1
            if stage == ended:
                self._rejected[stage] += outcome == REJECTED
                self._faulted[stage] += outcome == FAULTED
                return

    def rows(self) -> dict[str, StageCounts]:
        """The law of outcomes, by stage."""
        rows = {}
        for stage in STAGES:
            inputs, rejected, faulted = self._inputs[stage], self._rejected[stage], self._faulted[stage]
            emitted = inputs - rejected - faulted
            rows[stage] = StageCounts(inputs=inputs, emitted=emitted, rejected=rejected, faulted=faulted)
        return rows
