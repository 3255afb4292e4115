"""The driver of a build: submits tasks, receives results, assembles and commits one batch after another.

While one batch is packed the next is measured; at most OPEN_BATCHES are in memory.
"""

import time
from collections import deque
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from humove.errors import EXIT_TOO_MANY_FAULTS, UserError
from humove.storage.lease import Lease
from pipelines.assembly.batch_assembly import BatchAssembly, DuplicateClips, begin_assembly
from pipelines.assembly.commit import BatchCommit, commit_batches, find_free_numbers, finish_commit, write_batch
from pipelines.assembly.pack import PackStage
from pipelines.engine.batch_run import BatchRun
from pipelines.engine.build_progress import BuildProgress
from pipelines.engine.executors.task import Executor, Fault, Task, TaskResult
from pipelines.engine.jobs import JobResult
from pipelines.engine.ledger import Ledger
from pipelines.engine.measure import MeasureStage
from pipelines.engine.plan import Plan
from shards.schemas import DatasetDoc
from shards.tables import TableFile, name_clips_part, read_whole_table

OPEN_BATCHES = 3
"""Batches in memory: one being packed, one whose last videos are being measured, and the next."""


@dataclass(slots=True, kw_only=True)
class _Packing:
    """A batch whose shards are being written."""

    assembly: BatchAssembly
    earlier: set[str]
    numbers_before: dict[str, int]
    lost: set[str] = field(default_factory=set)
    num_out: int = 0


class BuildLoop:
    """One run over the batches of a data set. `committed` are the batches that match the present settings, `pending`
    those to be processed."""

    def __init__(
        self,
        plan: Plan,
        ledger: Ledger,
        executor: Executor,
        stage: MeasureStage,
        progress: BuildProgress,
        lease: Lease,
        *,
        doc: DatasetDoc | None,
        committed: dict[int, BatchCommit],
        pending: list[int],
    ) -> None:
        self.plan, self.ledger, self.executor, self.progress, self.lease = plan, ledger, executor, progress, lease
        self._stage, self._pack_stage = stage, PackStage(plan, ledger.store)
        self._commits = committed
        self._wanted = {row.number for row in doc.batches} if doc else set()
        """A new set replaces an older one only when it holds all of its batches."""
        self._shards = {f"shards/{row.name}" for row in doc.shards} if doc else set()
        self._doc = doc
        self._pending = set(pending)
        self._ahead = deque(sorted({*committed, *pending}))
        self._active: list[BatchRun] = []
        self._packing: _Packing | None = None
        self._pack_queue: deque[Task] = deque()
        self._remeasured: set[str] = set()
        self._in_flight = 0
        self._saved = time.monotonic()
        self._earlier: set[str] = set()
        self._ids_by_size: dict[int, set[str]] = {}
        self._duplicates = DuplicateClips(plan)
        self._numbers = find_free_numbers(doc)
        self.faults: list[dict] = []
        self.num_faulted = self.num_units = 0

    def run(self, num_videos: int, num_done: int) -> DatasetDoc:
        """Process every pending batch; return the data set as committed at the end."""
        self.progress.begin(num_videos, num_done)
        try:
            while self._active or self._ahead:
                self._submit_tasks()
                if self._in_flight:
                    for done in self.executor.wait(timeout_s=1.0):
                        self._receive_result(done)
                self._assemble_batch()
                self._save_states()
        finally:
            for run in self._active:
                run.state.save()
            self.progress.finish()
        finish_commit(self.ledger, self._doc, self.plan.scratch)
        self.ledger.write_faults(self.faults)
        return self._doc

    # Submission of tasks

    def _submit_tasks(self) -> None:
        slots = self.executor.count_slots()
        while self._in_flight < slots + max(2, slots // 4):
            task = self._take_next_task()
            if task is None:
                return
            self.executor.submit(task)
            self._in_flight += 1

    def _take_next_task(self) -> Task | None:
        if self._pack_queue:
            return self._pack_queue.popleft()
        for run in self._active:
            task = run.next_task()
            if task is not None:
                return task
        while self._ahead and len(self._active) < OPEN_BATCHES:
            number = self._ahead[0]
            if number not in self._pending:
                if self._active:
                    return None  # batches are resolved in order
                self._ahead.popleft()
                self._skip_batch(number)
                continue
            self._ahead.popleft()
            self._open_batch(number)
            task = self._active[-1].next_task()
            if task is not None:
                return task
        return None

    def _open_batch(self, number: int) -> None:
        run = BatchRun(
            self.plan,
            self._stage,
            number,
            self.ledger.read_batch(number),
            self.ledger.open_state(number),
            ids_by_size=self._ids_by_size,
            shards=self._shards,
        )
        run.plan_jobs(run.resolve_states(set(self._earlier)))
        self._active.append(run)
        self.progress.advance(run.num_videos_done, 0, 0, JobResult().measured)

    def _skip_batch(self, number: int) -> None:
        """Skip a committed batch: its videos make later ones duplicates, its clips near-duplicates."""
        videos = self.ledger.open_state(number).read().videos
        measured = pc.equal(videos["ingest_key"], self.plan.ingest_key)
        there = pc.and_(measured, pc.not_equal(videos["reject_stage"], "ingest"))
        self._earlier.update(videos.filter(there)["video_id"].to_pylist())
        self._add_kept(number)

    def _add_kept(self, number: int) -> None:
        """Register a committed batch's samples, so that near-duplicates in later batches are found."""
        if self.plan.config.dedup.near == "on":
            clips = self._read_part(number, "clips", ["clip_id", "outcome", "signature"])
            kept = clips.filter(pc.equal(clips["outcome"], "kept"))
            words = kept["signature"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
            self._duplicates.add(kept["clip_id"].to_pylist(), words.astype(np.uint64).reshape(-1, 8))

    def _read_part(self, number: int, table: str, columns: list[str]) -> pa.Table:
        if table == "clips":
            file = TableFile(name=name_clips_part(self._commits[number].tables["outcomes"].name))
        else:
            part = self._commits[number].tables[table]
            file = TableFile(name=part.name, size=part.bytes)
        return read_whole_table(self.ledger.store, [file], columns)

    # Receipt of results

    def _receive_result(self, done: TaskResult) -> None:
        self._in_flight -= 1
        if done.task.stage is self._pack_stage:
            self._receive_packed(done)
            return
        number = int(done.task.task_id.partition("/")[0])
        run = next(run for run in self._active if run.number == number)
        before = run.num_videos_done, run.num_clips_done
        for line in run.receive_result(done):
            self.progress.say(line)
        result = done.result
        kept = measured = None
        if isinstance(result, JobResult):
            kept, measured = sum(1 for row in result.clips if row["mp4_file"]), result.measured
        self.progress.advance(
            run.num_videos_done - before[0], run.num_clips_done - before[1], kept or 0, measured or JobResult().measured
        )

    def _receive_packed(self, done: TaskResult) -> None:
        packing = self._packing
        packing.num_out -= 1
        result = done.result
        if isinstance(result, Fault):
            # A set without this shard would silently lose samples: the batch is not committed, and the next run packs
            # it again.
            self.faults.append({"unit": done.task.label, "stage": "pack", "error": result.error,
                                "traceback": result.traceback})  # fmt: skip
            self.ledger.write_faults(self.faults)
            raise _make_pack_error(self.ledger, f"{done.task.label} could not be written: {result.error}")
        if result.lost:
            packing.lost.update(result.lost)
        else:
            packing.assembly.packed.append(result)

    def _save_states(self) -> None:
        if time.monotonic() - self._saved >= self.plan.config.execution.flush_seconds:
            self.lease.check()
            for run in self._active:
                run.state.save()
            self._saved = time.monotonic()

    # Assembly, in the order of batches

    def _assemble_batch(self) -> None:
        if self._packing is None and self._active and self._active[0].is_measured:
            self._begin_packing(self._active[0])
        if self._packing is not None and not self._packing.num_out:
            self._end_packing(self._active[0])

    def _begin_packing(self, run: BatchRun) -> None:
        run.state.save()
        earlier = set(self._earlier)
        states = run.resolve_states(earlier)
        before = self._commits.get(run.number)
        committed: frozenset[str] = frozenset()
        if before is not None:
            committed = frozenset(self._read_part(run.number, "index", ["key"])["key"].to_pylist())
        numbers_before = dict(self._numbers)
        assembly = begin_assembly(self.plan, run.number, states, self._duplicates, committed, self._numbers)
        tasks = [
            Task(task_id=f"pack/{job.name}", label=job.name, stage=self._pack_stage, payload=job, weight=len(job.items))
            for job in assembly.jobs
        ]
        self._pack_queue.extend(tasks)
        self._packing = _Packing(assembly=assembly, earlier=earlier, numbers_before=numbers_before, num_out=len(tasks))
        self.progress.set_activity(f"packing batch {run.number}" if tasks else "")

    def _end_packing(self, run: BatchRun) -> None:
        packing, self._packing = self._packing, None
        self.progress.set_activity("")
        if packing.lost:
            self._remeasure_lost(run, packing)
            return
        packing.assembly.packed.sort(key=lambda packed: packed.shard.name)
        self.lease.check()
        commit, outcomes = write_batch(self.plan, self.ledger, packing.assembly, self._commits.get(run.number))
        self._commits[run.number] = commit
        self.faults += run.faults
        self.num_faulted += outcomes.num_faulted
        self.num_units += outcomes.num_units
        self._earlier = packing.earlier
        self._active.remove(run)
        if self._wanted <= set(self._commits):
            self._doc = commit_batches(self.plan, self.ledger, self._commits, self.plan.scratch)
            self._shards = {f"shards/{row.name}" for row in self._doc.shards}

    def _remeasure_lost(self, run: BatchRun, packing: _Packing) -> None:
        """Measure clips again whose records or videos are lost or damaged, and pack the batch again."""
        if packing.lost <= self._remeasured:
            raise _make_pack_error(
                self.ledger, f"{len(packing.lost)} clips could not be packed, such as {min(packing.lost)}"
            )
        self._remeasured |= packing.lost
        self.progress.say(f"{len(packing.lost)} clips are measured again: their records were lost or damaged")
        self._numbers = packing.numbers_before
        self._duplicates = DuplicateClips(self.plan)
        for number in sorted(n for n in self._commits if n < run.number):
            self._add_kept(number)
        run.remeasure_clips(packing.lost, set(self._earlier))


def _make_pack_error(ledger: Ledger, message: str) -> UserError:
    """Make the error that ends a build whose batch could not be packed; earlier commits are kept."""
    return UserError(
        f"{ledger.store}: {message}; earlier commits are kept, run the same command again to pack the rest",
        EXIT_TOO_MANY_FAULTS,
    )
