"""The steps of one clip in a worker: each runs where its record is missing, until a verdict ends the clip's way."""

import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from humove.errors import UserError
from humove.types import Clip
from pipelines.engine.jobs import Mp4Place
from pipelines.engine.plan import Plan
from pipelines.engine.rows import CPU, KEY, SCORE, failure_of, pack_signature, to_json
from pipelines.inputs.cache import SourceUnavailable
from pipelines.stages.records import Record, UnitRecords, owner_of, reject_to_json
from pipelines.stages.step import ClipView, Step, judge_record

_MOST_BYTES = 1 << 30
"""Frames of clips that wait, in memory."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClipFailure:
    """Why a step has no record."""

    stage: str
    error: BaseException

    def to_row(self) -> dict:
        if isinstance(self.error, SourceUnavailable):
            return failure_of(self.stage, f"{self.error}", kind="rejected")
        text = f"{type(self.error).__name__}: {self.error}".splitlines()[0][:500]
        return failure_of(self.stage, text, "".join(traceback.format_exception(self.error)))


class ClipsInFlight:
    """The clips of a unit whose captions are being waited for, while the next clips are worked on.

    A step with `concurrency` above 1 mostly waits for a model elsewhere. As many clips wait at once as it says, as far
    as their frames fit into memory together.
    """

    def __init__(self, plan: Plan, retries: int, after_step: Callable[[str], None]) -> None:
        self._plan, self._retries, self._after_step = plan, retries, after_step
        self._most = max(getattr(step, "concurrency", 1) for step in plan.steps)
        self._pool = ThreadPoolExecutor(self._most) if self._most > 1 else None
        self._waiting: dict[Future, tuple[Step, ClipView, Callable[[ClipFailure | None], None]]] = {}

    def run(self, view: ClipView, has_video: bool, settle: Callable[[ClipFailure | None], None]) -> None:
        """Runs the missing steps of a clip, in order, up to a verdict that ends its way. `settle` is called when all
        of them are done, with what a step raised, if one did; the view is closed then.

        `has_video`: the encoded clip is at hand or packed; where not, a record of the encode step is no use.
        """
        future = None
        try:
            for step in self._plan.steps:
                record = view.records.get(owner_of(view.clip), step.name, view.keys[step.name])
                if record is None or (step.name == "encode" and not has_video):
                    if self._pool is not None and getattr(step, "concurrency", 1) > 1:
                        future = self._submit(step, view)
                        waited = step
                        continue
                    record = self._measure(step, view)
                if judge_record(step, record, self._plan.config.score_only) is not None:
                    break
        except UserError:
            view.close()
            raise
        except Exception as error:  # a fault: isolated, kept with its traceback, counted
            if future is not None:
                future.cancel()
                wait([future])
            view.close()
            settle(ClipFailure(stage=step.name, error=error))
            return
        if future is None:
            view.close()
            settle(None)
            return
        self._waiting[future] = (waited, view, settle)
        while len(self._waiting) >= self._most or self._held_bytes() > _MOST_BYTES:
            self._settle_some()

    def finish(self) -> None:
        """Waits for all that are in flight."""
        while self._waiting:
            self._settle_some()
        if self._pool is not None:
            self._pool.shutdown()

    def _measure(self, step: Step, view: ClipView) -> Record:
        for left in range(self._retries, -1, -1):
            try:
                record, arrays = step.measure(view)
                break
            except (UserError, SourceUnavailable, ConnectionError):
                raise
            except Exception:
                if not left:
                    raise
        view.put(step.name, record, arrays)
        self._after_step(step.name)
        return record

    def _submit(self, step: Step, view: ClipView) -> Future:
        for name in ("pose2d", "motion"):  # read here: the records may not be read by two threads
            view.arrays(name)
        view.open()
        return self._pool.submit(step.measure, view)

    def _settle_some(self) -> None:
        done, _ = wait(self._waiting, return_when=FIRST_COMPLETED)
        for future in done:
            step, view, settle = self._waiting.pop(future)
            try:
                record, arrays = future.result()
                view.put(step.name, record, arrays)
                self._after_step(step.name)
                failure = None
            except UserError:
                raise
            except Exception as error:  # as above
                failure = ClipFailure(stage=step.name, error=error)
            finally:
                view.close()
            settle(failure)

    def _held_bytes(self) -> int:
        return sum(view.frames_bytes for _, view, _ in self._waiting.values())


def clip_row(
    plan: Plan,
    clip: Clip,
    facts: Mapping[str, Any],
    records: UnitRecords,
    *,
    input_id: str,
    unit: str,
    origin: str,
    mp4: Mp4Place | None,
    failure: dict | None,
) -> dict[str, Any]:
    """The row of the state table of a clip, from all its records under the present settings.

    `facts` is the clip's part of the split record: index, times, scores, signature. `mp4` is where its encoded video
    lies, `origin` names the data sets that hold records which this one's ledger does not.
    """
    row: dict[str, Any] = {
        "input_id": input_id,
        "clip_id": clip.clip_id,
        "split_key": plan.split_key,
        "unit": unit,
        "origin": origin,
        "shot_index": clip.shot_index,
        "clip_index": facts["index"],
        "start_frame": clip.start_frame,
        "end_frame": clip.end_frame,
        "start_s": facts["times"][0],
        "end_s": facts["times"][1],
        "signature": pack_signature(facts["signature"]),
        "reject_stage": "",
        "reject": "",
        "failure": to_json(failure),
        "mp4_origin": mp4.origin if mp4 else "",
        "mp4_file": mp4.file if mp4 else "",
        "mp4_offset": mp4.offset if mp4 else 0,
        "mp4_bytes": mp4.size if mp4 else 0,
    }
    scores, small = dict(facts["scores"]), {}
    for step in plan.steps:
        record = records.get(owner_of(clip), step.name, plan.step_keys[step.name])
        if record is None or (step.name == "encode" and mp4 is None):
            continue
        row[f"{KEY}{step.name}"] = plan.step_keys[step.name]
        row[f"{CPU}{step.name}"] = record.cpu_s
        scores.update(record.scores)
        if record.facts:
            small[step.name] = record.facts
        if record.reject is not None and not row["reject_stage"]:
            row["reject_stage"], row["reject"] = step.name, to_json(reject_to_json(record.reject))
    row["facts"] = to_json(small)
    row |= {f"{SCORE}{name}": float(value) for name, value in scores.items()}
    return row
