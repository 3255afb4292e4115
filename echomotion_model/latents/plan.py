"""Which side shards are to be made: those that are missing, and those that are stale."""

from dataclasses import dataclass
from pathlib import Path

from echomotion_model.latents.config import LatentsSettings
from echomotion_model.latents.documents import MadeFrom, SideShard, json_name, parse_side_shard
from echomotion_model.latents.protocol import EncoderIds
from echomotion_model.latents.source import open_source
from humove.errors import UserError
from humove.storage import Store, open_store, require_writable
from shards.format import DATASET_FILE, LATENTS_FOLDER, SHARDS_FOLDER
from shards.motion_only_documents import MOTION_FILE


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardJob:
    """One side shard to be made; travels to a worker."""

    dataset: str
    out: Store
    made_from: MadeFrom
    num_samples: int

    @property
    def name(self) -> str:
        """The shard's file name."""
        return self.made_from.shard


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentsPlan:
    """The jobs, and why each; the other shards are up to date."""

    out: Store
    jobs: tuple[ShardJob, ...]
    fresh: int
    why: dict[str, str]
    """Shard -> "missing", or what makes it stale."""

    def line(self) -> str:
        """For people."""
        missing = sum(reason == "missing" for reason in self.why.values())
        return f"{self.out}: {self.fresh} shards up to date, {missing} missing, {len(self.why) - missing} stale"


def default_out(dataset: str) -> str:
    """Where the side shards of a data set lie unless another place is named: in the set's own folder."""
    return f"{dataset.rstrip('/')}/{LATENTS_FOLDER}"


def plan_latents(dataset: str, out: str | Path, settings: LatentsSettings, encoders: EncoderIds) -> LatentsPlan:
    """What `humove latents` has to do at `out`, a folder or an address.

    Side shards of shards that the set no longer has are removed. UserError where `out` is a data set's own folder, or
    nothing can be written there.
    """
    source, store = open_source(dataset), open_store(out)
    if store.location.endswith(f"/{SHARDS_FOLDER}") or any(store.exists(name) for name in (DATASET_FILE, MOTION_FILE)):
        raise UserError(f"{out} is a data set's own folder: side shards have the names of its shards; name another")
    jobs, why, names = [], {}, set()
    for row in source.shards():
        wanted = MadeFrom(shard=row.name, shard_sha256=row.sha256, encoders=encoders, settings=settings)
        names.add(row.name)
        if reason := staleness(read_side_shard(store, row.name), wanted):
            why[row.name] = reason
            jobs.append(
                ShardJob(dataset=source.store.location, out=store, made_from=wanted, num_samples=row.num_samples)
            )
    if jobs:
        require_writable(store)
    _remove_others(store, names)
    return LatentsPlan(out=store, jobs=tuple(jobs), fresh=len(names) - len(jobs), why=why)


def staleness(found: SideShard | None, wanted: MadeFrom) -> str:
    """ "missing", what makes it stale, or nothing where it is up to date."""
    return "missing" if found is None else found.made_from.difference(wanted)


def read_side_shard(store: Store, shard: str) -> SideShard | None:
    """A side shard's document; None where it or the tar that it describes is not there."""
    try:
        found = parse_side_shard(store.read(json_name(shard)))
        return found if found and store.size(shard) == found.bytes else None
    except FileNotFoundError:
        return None


def _remove_others(store: Store, names: set[str]) -> None:
    """Remove whole side shards of other names; a tar that is not described as one stays."""
    there = store.names()
    for name in sorted(there - names):
        if name.endswith(".tar") and json_name(name) in there and read_side_shard(store, name) is not None:
            store.delete([json_name(name), name])
