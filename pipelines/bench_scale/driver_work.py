"""The driver's own work: planning, resuming and assembling a state of many videos."""

import json
import resource
import sys
import time
from collections import Counter

import pyarrow as pa

from humove.storage import Store, open_store
from pipelines.assembly.pack import Packed, PackStage
from pipelines.config import load_config
from pipelines.engine.batch_run import BatchRun
from pipelines.engine.executors.task import Task, TaskResult
from pipelines.engine.ledger import Ledger
from pipelines.engine.measure import MeasureStage
from pipelines.engine.plan import Plan
from pipelines.engine.rows import KEY
from pipelines.engine.state import StateTables
from pipelines.jobs.build_loop import BuildLoop
from shards.card.tally import CardTally
from shards.format import parse_shard_name
from shards.schemas import ShardRow


def make_plan(*overrides: str) -> Plan:
    return Plan.from_config(load_config("local", list(overrides)))


def measure_plan(store: Store) -> dict:
    """Plan a build in which every clip is measured again from the keypoints on: a task for each video."""
    return _measure_planning(store, make_plan("pose2d.visible_score=0.31"))


def measure_resume(store: Store) -> dict:
    """Plan a build that lacks the last tenth of the last batch."""
    plan, ledger = make_plan(), Ledger(store)
    state = ledger.open_state(ledger.list_batch_numbers()[-1])
    tables = state.read()
    column = f"{KEY}encode"
    values = tables.clips[column].to_pylist()
    missing = max(1, len(values) // 10)
    values[-missing:] = [None] * missing
    index = tables.clips.schema.get_field_index(column)
    clips = tables.clips.set_column(index, column, pa.array(values, pa.string()))
    state.replace_rows(StateTables(videos=tables.videos, clips=clips))
    found = _measure_planning(store, plan)
    state.replace_rows(tables)
    return found


def _measure_planning(store: Store, plan: Plan) -> dict:
    start = time.monotonic()
    ledger, earlier, tasks, clips = Ledger(store), set(), 0, 0
    stage = MeasureStage(plan, store)
    known = {item.input_id for number in ledger.list_batch_numbers() for item in ledger.read_batch(number)}
    for number in ledger.list_batch_numbers():
        run = BatchRun(
            plan, stage, number, ledger.read_batch(number), ledger.open_state(number), ids_by_size={}, shards=None
        )
        states = run.resolve_states(earlier)
        clips += len(states.clips)
        run.plan_jobs(states)
        while run.next_task() is not None:
            tasks += 1
    return {"videos": len(known), "clips": clips, "tasks": tasks, "seconds": round(time.monotonic() - start, 2)}


class _DryExecutor:
    """An executor that packs nothing, and returns the description of each shard."""

    def __init__(self) -> None:
        self._done: list[TaskResult] = []

    def count_slots(self) -> int:
        return 4

    def submit(self, task: Task) -> None:
        if not isinstance(task.stage, PackStage):
            raise RuntimeError(f"{task.label} was submitted for measurement, though it is complete")
        self._done.append(TaskResult(task=task, result=_describe_shard(task)))

    def wait(self, timeout_s: float | None = None) -> list[TaskResult]:
        done, self._done = self._done, []
        return done

    def close(self) -> None: ...


def _describe_shard(task: Task) -> Packed:
    job = task.payload
    split, _ = parse_shard_name(job.name)
    tally = CardTally()
    offset, rows = 0, []
    for item in job.items:
        facts = item.facts
        caption = facts.facts["caption"]
        tally.add_document(
            {
                "rights": {"licence": "", "consent": ""},
                "body_model": {"name": "anny-smpl24", "licence": "Apache-2.0", "shape_source": "proxy"},
                "captions": caption,
            }
        )
        rows.append(
            {
                "key": facts.clip.clip_id, "split": split, "shard": job.name, "offset": offset,
                "bytes": item.mp4.size + 200_000, "mp4_offset": offset + 512, "mp4_bytes": item.mp4.size,
                "video_id": facts.clip.video.video_id, "uri": facts.clip.video.uri, "category": "",
                "caption": caption["full"], "num_frames": 300, "fps": 30.0, "width": 700, "height": 720,
                "duration_s": 10.0, **facts.scores,
            }
        )  # fmt: skip
        offset += item.mp4.size + 200_704
    row = ShardRow(name=job.name, split=split, num_samples=len(rows), bytes=max(1, offset), sha256="0" * 64)
    return Packed(shard=row, rows=rows, tally=tally)


class _NoLease:
    def check(self) -> None: ...


class _SilentProgress:
    """A build's progress that is not shown."""

    def begin(self, videos: int, done: int) -> None: ...

    def advance(self, videos: int, clips: int, kept: int, measured: Counter[str]) -> None: ...

    def set_activity(self, text: str) -> None: ...

    def say(self, line: str) -> None: ...

    def finish(self) -> None: ...


def measure_assemble(store: Store) -> dict:
    """Assemble and commit the whole state by batch, without writing tars."""
    plan, ledger = make_plan(), Ledger(store)
    start = time.monotonic()
    loop = BuildLoop(
        plan, ledger, _DryExecutor(), MeasureStage(plan, store), _SilentProgress(), _NoLease(),
        doc=None, committed={}, pending=ledger.list_batch_numbers(),
    )  # fmt: skip
    doc = loop.run(0, 0)
    return {
        "videos": sum(row.num_inputs for row in doc.batches),
        "samples": sum(row.num_samples for row in doc.shards),
        "shards": len(doc.shards),
        "seconds": round(time.monotonic() - start, 2),
    }


def main() -> None:
    """Print one measure of a synthetic set as JSON, with the process's peak memory."""
    measure, place = sys.argv[1:]
    found = {"plan": measure_plan, "resume": measure_resume, "assemble": measure_assemble}[measure](open_store(place))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({**found, "peak_mib": peak}))


if __name__ == "__main__":
    main()
