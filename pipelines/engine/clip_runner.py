"""The steps of one clip in a worker: each runs where its record is missing, up to the first rejection."""

import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from humove.errors import UserError
from humove.types import Clip
from pipelines.engine.jobs import Mp4Place
from pipelines.engine.plan import Plan
from pipelines.engine.rows import CPU, KEY, SCORE, make_failure, pack_signature, to_json
from pipelines.inputs.cache import SourceUnavailable
from pipelines.stages.records import Record, UnitRecords, dump_reject, make_owner_name
from pipelines.stages.step import ClipView, Step, judge_record

_MAX_HELD_BYTES = 1 << 30
"""The most bytes of frames that waiting clips may hold in memory."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClipFailure:
    """The exception that left a step without a record."""

    stage: str
    error: BaseException

    def to_dict(self) -> dict:
        if isinstance(self.error, SourceUnavailable):
            return make_failure(self.stage, f"{self.error}", kind="rejected")
        text = f"{type(self.error).__name__}: {self.error}".splitlines()[0][:500]
        return make_failure(self.stage, text, "".join(traceback.format_exception(self.error)))


class ClipsInFlight:
    """The clips of a unit that wait for a slow step (captions), while the next clips are measured.

    A step with `concurrency` above 1 mostly waits for a remote model. At most `concurrency` clips wait at once, fewer
    where their frames exceed _MAX_HELD_BYTES.
    """

    def __init__(self, plan: Plan, retries: int, after_step: Callable[[str], None]) -> None:
        self._plan, self._retries, self._after_step = plan, retries, after_step
        self._max_waiting = max(getattr(step, "concurrency", 1) for step in plan.steps)
        self._pool = ThreadPoolExecutor(self._max_waiting) if self._max_waiting > 1 else None
        self._waiting: dict[Future, tuple[Step, ClipView, Callable[[ClipFailure | None], None]]] = {}

    def run(self, view: ClipView, has_video: bool, settle: Callable[[ClipFailure | None], None]) -> None:
        """Run the missing steps of a clip, in order, up to the first rejection. Then close the view and call `settle`
        with the failure of a step, if any.

        `has_video`: the encoded clip exists; where not, a record of the encode step is ignored.
        """
        future = None
        try:
            for step in self._plan.steps:
                record = view.records.get(make_owner_name(view.clip), step.name, view.keys[step.name])
                if record is None or (step.name == "encode" and not has_video):
                    if self._pool is not None and getattr(step, "concurrency", 1) > 1:
                        future = self._submit_step(step, view)
                        waited = step
                        continue
                    record = self._measure_step(step, view)
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
        while len(self._waiting) >= self._max_waiting or self._count_held_bytes() > _MAX_HELD_BYTES:
            self._settle_finished()

    def finish(self) -> None:
        """Wait for all clips in flight."""
        while self._waiting:
            self._settle_finished()
        if self._pool is not None:
            self._pool.shutdown()

    def _measure_step(self, step: Step, view: ClipView) -> Record:
        for left in range(self._retries, -1, -1):
            try:
                record, arrays = step.measure(view)
                break
            except (UserError, SourceUnavailable, ConnectionError):
                raise
            except Exception:
                if not left:
                    raise
        view.put_record(step.name, record, arrays)
        self._after_step(step.name)
        return record

    def _submit_step(self, step: Step, view: ClipView) -> Future:
        for name in ("pose2d", "motion"):  # read here: records are not thread-safe
            view.get_arrays(name)
        view.open()
        return self._pool.submit(step.measure, view)

    def _settle_finished(self) -> None:
        done, _ = wait(self._waiting, return_when=FIRST_COMPLETED)
        for future in done:
            step, view, settle = self._waiting.pop(future)
            try:
                record, arrays = future.result()
                view.put_record(step.name, record, arrays)
                self._after_step(step.name)
                failure = None
            except UserError:
                raise
            except Exception as error:  # as above
                failure = ClipFailure(stage=step.name, error=error)
            finally:
                view.close()
            settle(failure)

    def _count_held_bytes(self) -> int:
        return sum(view.frames_bytes for _, view, _ in self._waiting.values())


def make_clip_row(
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
    """Return a clip's row of the state table, from all its records under the present settings.

    `facts` is the clip's part of the split record: index, times, scores, signature. `mp4` is the place of its encoded
    video; `origin` names the data sets with records that this one's ledger lacks.
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
        record = records.get(make_owner_name(clip), step.name, plan.step_keys[step.name])
        if record is None or (step.name == "encode" and mp4 is None):
            continue
        row[f"{KEY}{step.name}"] = plan.step_keys[step.name]
        row[f"{CPU}{step.name}"] = record.cpu_s
        scores.update(record.scores)
        if record.facts:
            small[step.name] = record.facts
        if record.reject is not None and not row["reject_stage"]:
            row["reject_stage"], row["reject"] = step.name, to_json(dump_reject(record.reject))
    row["facts"] = to_json(small)
    row |= {f"{SCORE}{name}": float(value) for name, value in scores.items()}
    return row
