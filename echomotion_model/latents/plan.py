"""Which side shards are to be made: those that are missing, and those that are stale."""

from dataclasses import dataclass
from pathlib import Path

from echomotion_model.latents.config import LatentsSettings
from echomotion_model.latents.documents import MadeFrom, SideShard, json_name, parse_side_shard
from echomotion_model.latents.protocol import EncoderIds
from echomotion_model.latents.source import open_source
from humove.errors import UserError
from shards.format import DATASET_FILE, LATENTS_FOLDER, SHARDS_FOLDER
from shards.motion_only import MotionOnlyDataset
from shards.motion_only_documents import MOTION_FILE
from shards.reader import Dataset

"""Where they lie unless another place is named: in the data set's own folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardJob:
    """One side shard to be made; travels to a worker."""

    dataset: str
    out: Path
    made_from: MadeFrom
    num_samples: int

    @property
    def name(self) -> str:
        """The shard's file name."""
        return self.made_from.shard


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentsPlan:
    """The jobs, and why each; the other shards are up to date."""

    out: Path
    jobs: tuple[ShardJob, ...]
    fresh: int
    why: dict[str, str]
    """Shard -> "missing", or what makes it stale."""

    def line(self) -> str:
        """For people."""
        missing = sum(reason == "missing" for reason in self.why.values())
        return f"{self.out}: {self.fresh} shards up to date, {missing} missing, {len(self.why) - missing} stale"


def default_out(dataset: str) -> Path:
    """The side shards' folder in a data set on this machine. UserError where it lies elsewhere."""
    if "://" in dataset:
        raise UserError(
            f"{dataset} is not on this machine: name a folder for the latents with --out, and give it to "
            "training as encoders.latents"
        )
    return Path(dataset) / LATENTS_FOLDER


def plan_latents(dataset: str, out: Path, settings: LatentsSettings, encoders: EncoderIds) -> LatentsPlan:
    """What `humove latents` has to do. Side shards of shards that the set no longer has are removed."""
    source = open_source(dataset)
    if out.name == SHARDS_FOLDER or any((out / name).exists() for name in (DATASET_FILE, MOTION_FILE)):
        raise UserError(f"{out} is a data set's own folder: side shards have the names of its shards; name another")
    jobs, why, names = [], {}, set()
    for row in source.shards():
        wanted = made_from(source, row.name, settings, encoders)
        names.add(row.name)
        if reason := staleness(_read(out, row.name), wanted):
            why[row.name] = reason
            jobs.append(ShardJob(dataset=dataset, out=out, made_from=wanted, num_samples=row.num_samples))
    for path in out.glob("*.tar"):
        if path.name not in names and _read(out, path.name) is not None:
            (out / json_name(path.name)).unlink()
            path.unlink()
    return LatentsPlan(out=out, jobs=tuple(jobs), fresh=len(names) - len(jobs), why=why)


def made_from(
    source: Dataset | MotionOnlyDataset, shard: str, settings: LatentsSettings, encoders: EncoderIds
) -> MadeFrom:
    """What a side shard would be made from now."""
    row = next(row for row in source.shards() if row.name == shard)
    return MadeFrom(shard=shard, shard_sha256=row.sha256, encoders=encoders, settings=settings)


def staleness(found: SideShard | None, wanted: MadeFrom) -> str:
    """ "missing", what makes it stale, or nothing where it is up to date."""
    return "missing" if found is None else found.made_from.difference(wanted)


def _read(out: Path, shard: str) -> SideShard | None:
    """A side shard's document; None where it or the tar that it describes is not there."""
    try:
        found = parse_side_shard((out / json_name(shard)).read_bytes())
        return found if found and (out / shard).stat().st_size == found.bytes else None
    except FileNotFoundError:
        return None
