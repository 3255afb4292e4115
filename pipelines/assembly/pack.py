"""Pack kept clips into one shard: read their records, write the tar, put it into the store."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from humove.ids import hash_settings
from humove.stage import Resources
from humove.storage.store import Store, open_store
from pipelines.assembly.sample import ClipFacts, assemble_sample
from pipelines.engine.jobs import Mp4Place
from pipelines.engine.ledger import Ledger
from pipelines.engine.plan import Plan
from pipelines.engine.unit_work import read_records
from pipelines.stages.records import UnitRecords
from shards.card.tally import CardTally
from shards.format import SHARDS_FOLDER, parse_shard_name
from shards.index import make_index_row
from shards.schemas import SampleMeta, ShardRow
from shards.writer import ShardWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class PackItem:
    """A kept clip, and the places of its records and its video."""

    facts: ClipFacts
    unit: str
    origins: tuple[str, ...]
    mp4: Mp4Place


@dataclass(frozen=True, slots=True, kw_only=True)
class PackJob:
    """One shard: its name, and its samples in key order."""

    name: str
    items: tuple[PackItem, ...]

    @property
    def keys(self) -> list[str]:
        return [item.facts.clip.clip_id for item in self.items]


@dataclass(slots=True, kw_only=True)
class Packed:
    """A shard in the store with its index rows, or the clips whose records or videos are missing."""

    shard: ShardRow | None = None
    rows: list[dict] = field(default_factory=list)
    tally: CardTally = field(default_factory=CardTally)
    """The data card's counts over the samples' documents."""
    lost: list[str] = field(default_factory=list)


class PackStage:
    """A stage that turns a PackJob into a tar in the store, unless an interrupted build has already written it."""

    name = "pack"
    resources = Resources(cpus=1)

    def __init__(self, plan: Plan, store: Store) -> None:
        self.plan, self.store = plan, store

    def setup(self) -> None:
        Ledger(self.store).require_visible()

    @cached_property
    def annotators(self) -> list[dict]:
        return self.plan.build_annotator_records()

    def process(self, job: PackJob, attempt: int) -> Packed:
        note = f"packed/{job.name}.json"
        content = hash_settings([self.plan.config_hash, job.keys, [repr(i.facts.clip.video.source) for i in job.items]])
        done = Ledger(self.store).read_json(note)
        if done is not None and done["content"] == content:
            tally = CardTally.from_metadata({name.encode(): text for name, text in done["tally"].items()})
            return Packed(shard=ShardRow.model_validate(done["shard"]), rows=done["rows"], tally=tally)
        packed = self._write_shard(job)
        if packed.shard is not None:
            row = packed.shard.model_dump(mode="json")
            document = {"content": content, "shard": row, "rows": packed.rows, "tally": packed.tally.to_metadata()}
            Ledger(self.store).write_json(note, document)
        return packed

    def _write_shard(self, job: PackJob) -> Packed:
        split, number = parse_shard_name(job.name)
        packed = Packed()
        self.plan.scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.plan.scratch, prefix="pack-") as folder:
            writer = ShardWriter(Path(folder), split, first_number=number, max_bytes=1 << 62, max_samples=1 << 62)
            with writer:
                for item, records, mp4 in self._read_contents(job):
                    try:
                        if mp4 is None:
                            raise KeyError(item.mp4.file)
                        sample = assemble_sample(self.plan, item.facts, records, mp4, split, self.annotators)
                    except KeyError:  # lost since it was measured: the clip is measured again
                        packed.lost.append(item.facts.clip.clip_id)
                        continue
                    packed.tally.add_document(sample.meta)
                    packed.rows.append(make_index_row(SampleMeta.model_validate(sample.meta), writer.write(sample)))
            if packed.lost:
                return Packed(lost=packed.lost)
            self.store.write_file(f"{SHARDS_FOLDER}/{job.name}", Path(folder) / job.name)
        packed.shard = writer.shards[0]
        return packed

    def _read_contents(self, job: PackJob) -> Iterator[tuple[PackItem, UnitRecords, bytes | None]]:
        """Yield each item with its unit's records, and its video; None where that is missing."""
        unit, records = "", UnitRecords()
        for item in job.items:  # in key order: the clips of one unit are adjacent
            if item.unit != unit:
                unit, records = item.unit, read_records(self.store, item.unit, item.origins)
            yield item, records, self._read_mp4(item.mp4)

    def _read_mp4(self, place: Mp4Place) -> bytes | None:
        store = open_store(place.origin) if place.origin else self.store
        try:
            return store.read_range(place.file, place.offset, place.offset + place.size)
        except (FileNotFoundError, EOFError):
            return None
