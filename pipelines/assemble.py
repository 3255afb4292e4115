"""From settled clips to a data set: near-duplicates, shards, tables, and the commit."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import humove
from humove.atomic import write_text
from humove.errors import EXIT_TOO_MANY_FAULTS, UserError
from humove.ids import file_sha256
from pipelines.inputs import InputRef
from pipelines.ledger import FaultRecord
from pipelines.measured import MeasuredWriter
from pipelines.outcomes import Counts, outcomes_of
from pipelines.plan import Plan
from pipelines.splits import split_of
from pipelines.stages.pack import Packed, PackStage, ShardJob
from pipelines.walk import KEPT, ClipState, InputState, walk
from pipelines.work import Executor, Fault, Work
from shards.card import write_card
from shards.clips import CLIPS_FILE
from shards.documents import BatchRow, DatasetDoc, ShardRow, SplitRow
from shards.format import (
    DATASET_FILE,
    INDEX_FILE,
    OUTCOMES_FILE,
    SHARD_NAME,
    SHARDS_FOLDER,
    parse_shard_name,
    shard_name,
)
from shards.index import OutcomesWriter, TableWriter, index_schema, read_rows
from shards.near_duplicates import Entry, find_near_duplicates


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A kept clip, as little of it as near-duplicates and packing need: this is what memory holds of each."""

    clip_id: str
    split: str
    pixels: int
    signature: tuple[int, ...]
    mp4_bytes: int
    item: InputRef


@dataclass(slots=True)
class _Assembly:
    """What grows while the batches are gone through in order."""

    next_numbers: dict[str, int]
    batches: list[BatchRow] = field(default_factory=list)
    shards: list[ShardRow] = field(default_factory=list)
    winners: list[Entry] = field(default_factory=list)
    twins: dict[str, str] = field(default_factory=dict)
    scores: set[str] = field(default_factory=set)
    videos: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    rows_files: list[Path] = field(default_factory=list)


def assemble(plan: Plan, out: Path, committed: DatasetDoc | None, executor: Executor) -> DatasetDoc:
    """Writes what the ledger's batches come to, and commits it.

    Shards of batches that `committed` lists stay as they are. With None every batch is packed, into shards whose
    numbers follow those that lie there, so that an older data set stays whole until the new one takes its place.
    """
    done = {b.number: b for b in committed.batches} if committed else {}
    assembly = _Assembly(next_numbers=_next_numbers(out, committed))
    assembly.shards.extend(committed.shards if committed else ())
    seen: set[str] = set()
    for number in plan.ledger.batch_numbers():
        kept, inputs = _kept(plan, number, seen, assembly)
        if number in done:
            assembly.batches.append(done[number])
            continue
        packed = _pack(plan, out, kept, assembly.next_numbers, executor)
        assembly.shards.extend(p.shard for p in packed)
        assembly.rows_files.extend(p.rows_file for p in packed)
        assembly.batches.append(
            BatchRow(
                number=number,
                num_inputs=inputs,
                inputs_sha256=file_sha256(plan.ledger.batch_file(number)),
                num_samples=len(kept),
                shards=tuple(p.shard.name for p in packed),
            )
        )
    counts = _write_outcomes(plan, out, assembly.twins)
    _write_index(out, committed, assembly)
    doc = DatasetDoc(
        tool_version=humove.__version__,
        config=plan.config.data_settings(),
        config_hash=plan.config_hash,
        annotators=tuple(plan.annotators()),
        splits=_splits(assembly),
        batches=tuple(assembly.batches),
        shards=tuple(sorted(assembly.shards, key=lambda row: row.name)),
        counts=counts.rows(),
    )
    write_text(out / DATASET_FILE, doc.to_bytes().decode())
    write_card(out)
    for path in assembly.rows_files:
        path.unlink()
    _remove_unlisted(out, doc)
    return doc


def _next_numbers(out: Path, committed: DatasetDoc | None) -> dict[str, int]:
    """The first free shard number of each split: after what is listed, or, when all is packed anew, after all files."""
    names = [row.name for row in committed.shards] if committed else []
    if committed is None and (out / DATASET_FILE).exists():
        names = [p.name for p in (out / SHARDS_FOLDER).glob("*.tar") if SHARD_NAME.fullmatch(p.name)]
    numbers: dict[str, int] = defaultdict(int)
    for split, number in map(parse_shard_name, names):
        numbers[split] = max(numbers[split], number + 1)
    return numbers


def _kept(plan: Plan, number: int, seen: set[str], assembly: _Assembly) -> tuple[list[Kept], int]:
    """The clips of a batch that are kept, in key order, near-duplicates taken out; and how many inputs it had."""
    found: list[Kept] = []
    inputs = 0
    for state in walk(plan, plan.ledger.batch(number), seen):
        inputs += 1
        found.extend(_clips(plan, state, assembly.scores))
    # Earlier batches win, then the higher resolution, then the lower id.
    found.sort(key=lambda k: (-k.pixels, k.clip_id))
    entries = [Entry(clip_id=k.clip_id, signature=k.signature) for k in found]
    twins = find_near_duplicates(assembly.winners + entries, plan.config.dedup, len(assembly.winners))
    assembly.twins |= twins
    assembly.winners += [e for e in entries if e.clip_id not in twins]
    kept = sorted((k for k in found if k.clip_id not in twins), key=lambda k: k.clip_id)
    for k in kept:
        assembly.videos[k.split].add(k.clip_id.partition("-")[0])
    return kept, inputs


def _clips(plan: Plan, state: InputState, scores: set[str]) -> Iterator[Kept]:
    kept: Iterator[ClipState] = (c for shot in state.shots for c in shot.clips if c.outcome == KEPT)
    for clip in kept:
        scores.update(clip.scores)
        yield Kept(
            clip_id=clip.clip.clip_id,
            split=split_of(state.video, plan.config.splits),
            pixels=state.video.width * state.video.height,
            signature=clip.signature,
            mp4_bytes=clip.mp4_bytes,
            item=state.item,
        )


def _jobs(plan: Plan, out: Path, kept: list[Kept], next_numbers: dict[str, int]) -> Iterator[ShardJob]:
    """Cuts each split's clips, in key order, into shards."""
    limit = plan.config.shards.max_megabytes * 1_000_000
    by_split: dict[str, list[Kept]] = defaultdict(list)
    for clip in kept:
        by_split[clip.split].append(clip)
    for split, clips in sorted(by_split.items()):
        shard: list[Kept] = []
        for clip in clips:
            size = sum(k.mp4_bytes for k in shard)
            if shard and (len(shard) >= plan.config.shards.max_samples or size + clip.mp4_bytes > limit):
                yield _job(out, split, shard, next_numbers)
                shard = []
            shard.append(clip)
        yield _job(out, split, shard, next_numbers)


def _job(out: Path, split: str, shard: list[Kept], next_numbers: dict[str, int]) -> ShardJob:
    name = shard_name(split, next_numbers[split])
    next_numbers[split] += 1
    return ShardJob(folder=out / SHARDS_FOLDER, name=name, samples=tuple((k.clip_id, k.item) for k in shard))


def _pack(plan: Plan, out: Path, kept: list[Kept], next_numbers: dict[str, int], executor: Executor) -> list[Packed]:
    """Writes the shards of one batch, in parallel."""
    works = [
        Work(unit_id=job.name, label=job.name, weight=len(job.samples), payload=job)
        for job in _jobs(plan, out, kept, next_numbers)
    ]
    packed = []
    for done in executor.map(PackStage(plan), works):
        if isinstance(done.outcome, Fault):
            # A data set without this shard would lose samples in silence: nothing is committed.
            fault = FaultRecord(
                unit_id=done.work.label,
                stage=done.outcome.stage,
                error=done.outcome.error,
                traceback=done.outcome.traceback,
                config_hash=plan.config_hash,
            )
            plan.ledger.quarantine(fault)
            raise UserError(f"{out}: {done.work.label} could not be written: {fault.error}", EXIT_TOO_MANY_FAULTS)
        packed.extend(done.outcome.outputs)
    return sorted(packed, key=lambda p: p.shard.name)


def _write_outcomes(plan: Plan, out: Path, twins: dict[str, str]) -> Counts:
    counts = Counts()
    seen: set[str] = set()
    with OutcomesWriter(out / OUTCOMES_FILE) as table, MeasuredWriter(out / CLIPS_FILE, plan) as clips:
        for number in plan.ledger.batch_numbers():
            for state in walk(plan, plan.ledger.batch(number), seen):
                counts.add(state, twins)
                for outcome in outcomes_of(state, twins):
                    table.add(outcome)
                clips.add(state, twins, number)
    return counts


def _write_index(out: Path, committed: DatasetDoc | None, assembly: _Assembly) -> None:
    """The rows of the committed shards as they were, then the new ones."""
    listed = {row.name for row in committed.shards} if committed else set()
    with TableWriter(out / INDEX_FILE, index_schema(sorted(assembly.scores))) as table:
        if listed:
            for row in read_rows(out / INDEX_FILE):
                if row["shard"] in listed:
                    table.append(row)
        for path in assembly.rows_files:
            with path.open(encoding="utf-8") as lines:
                for line in lines:
                    table.append(json.loads(line))


def _splits(assembly: _Assembly) -> dict[str, SplitRow]:
    samples: dict[str, int] = defaultdict(int)
    for row in assembly.shards:
        samples[row.split] += row.num_samples
    return {s: SplitRow(num_samples=n, num_videos=len(assembly.videos[s])) for s, n in sorted(samples.items())}


def _remove_unlisted(out: Path, doc: DatasetDoc) -> None:
    """Shards of an older data set that this one has replaced, and what a killed assembly left behind."""
    listed = {row.name for row in doc.shards}
    for path in (out / SHARDS_FOLDER).glob("*.tar"):
        if path.name not in listed and SHARD_NAME.fullmatch(path.name):
            path.unlink()
