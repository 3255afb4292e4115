"""The plan of encoding: which latents shards are missing or stale."""

from dataclasses import dataclass
from pathlib import Path

from echomotion_model.latents.config import LatentsSettings
from echomotion_model.latents.protocol import EncoderIds
from echomotion_model.latents.schemas import LatentsOrigin, LatentsShard, get_json_name, parse_latents_shard
from echomotion_model.latents.source import open_source
from humove.errors import UserError
from humove.storage import Store, open_store, require_writable
from shards.format import DATASET_FILE, LATENTS_FOLDER, SHARDS_FOLDER
from shards.motion_only.schemas import MOTION_FILE


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardJob:
    """One latents shard to encode; sent to a worker."""

    dataset: str
    out: Store
    made_from: LatentsOrigin
    num_samples: int

    @property
    def name(self) -> str:
        """The shard's file name."""
        return self.made_from.shard


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentsPlan:
    """The jobs, and the reason of each; the other shards are up to date."""

    out: Store
    jobs: tuple[ShardJob, ...]
    fresh: int
    reasons: dict[str, str]
    """Shard -> "missing", or why it is stale."""

    def format_summary(self) -> str:
        missing = sum(reason == "missing" for reason in self.reasons.values())
        return f"{self.out}: {self.fresh} shards up to date, {missing} missing, {len(self.reasons) - missing} stale"


def get_default_out(dataset: str) -> str:
    """Get the default path of a data set's latents, in its own folder."""
    return f"{dataset.rstrip('/')}/{LATENTS_FOLDER}"


def plan_latents(dataset: str, out: str | Path, settings: LatentsSettings, encoders: EncoderIds) -> LatentsPlan:
    """Plan what to encode at `out`, a folder or a URL.

    Latents of shards that the set no longer has are removed. UserError if `out` is a data set's own folder, or is not
    writable.
    """
    source, store = open_source(dataset), open_store(out)
    if store.location.endswith(f"/{SHARDS_FOLDER}") or any(store.exists(name) for name in (DATASET_FILE, MOTION_FILE)):
        raise UserError(
            f"{out} is a data set's own folder: latents have the names of its shards; choose another folder"
        )
    jobs, reasons, names = [], {}, set()
    for row in source.list_shards():
        wanted = LatentsOrigin(shard=row.name, shard_sha256=row.sha256, encoders=encoders, settings=settings)
        names.add(row.name)
        if reason := explain_staleness(read_latents_shard(store, row.name), wanted):
            reasons[row.name] = reason
            jobs.append(
                ShardJob(dataset=source.store.location, out=store, made_from=wanted, num_samples=row.num_samples)
            )
    if jobs:
        require_writable(store)
    _remove_orphans(store, names)
    return LatentsPlan(out=store, jobs=tuple(jobs), fresh=len(names) - len(jobs), reasons=reasons)


def explain_staleness(found: LatentsShard | None, wanted: LatentsOrigin) -> str:
    """Return "missing", why the shard is stale, or "" if it is up to date."""
    return "missing" if found is None else found.made_from.describe_difference(wanted)


def read_latents_shard(store: Store, shard: str) -> LatentsShard | None:
    """Read the .json of a latents shard; return None if it or its tar is missing."""
    try:
        found = parse_latents_shard(store.read(get_json_name(shard)))
        return found if found and store.size(shard) == found.bytes else None
    except FileNotFoundError:
        return None


def _remove_orphans(store: Store, names: set[str]) -> None:
    """Remove complete latents shards of other names; other tars are kept."""
    present = store.names()
    for name in sorted(present - names):
        if name.endswith(".tar") and get_json_name(name) in present and read_latents_shard(store, name) is not None:
            store.delete([get_json_name(name), name])
