"""The assembly of one measured batch: near-duplicates and the jobs that pack its shards."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from humove.near_duplicates.index import NearDuplicateIndex
from humove.types import Clip
from pipelines.assembly.pack import Packed, PackItem, PackJob
from pipelines.assembly.sample import ClipFacts
from pipelines.engine.jobs import Mp4Place
from pipelines.engine.plan import Plan
from pipelines.engine.resolve import SPLIT, BatchStates
from pipelines.engine.rows import from_json
from pipelines.splits import assign_split
from shards.format import format_shard_name


class DuplicateClips:
    """Near-duplicates over all batches: earlier batches come first, then higher resolution, then the lower clip_id."""

    def __init__(self, plan: Plan) -> None:
        config = plan.config.dedup
        self._index = NearDuplicateIndex(config.max_distance) if config.near == "on" else None
        self._kept_ids: list[str] = []

    def add(self, clip_ids: list[str], signatures: np.ndarray) -> None:
        """Add clips of a committed batch, which stay in the set."""
        if self._index is not None and len(clip_ids):
            self._index.add(signatures)
            self._kept_ids += clip_ids

    def find_duplicates(self, clip_ids: list[str], signatures: np.ndarray) -> list[str]:
        """Return for each clip, in order of precedence, the id of the clip that it repeats; "" where it is kept."""
        if self._index is None or not clip_ids:
            return [""] * len(clip_ids)
        repeats = self._index.settle(signatures)
        self._kept_ids += [clip_id for clip_id, other in zip(clip_ids, repeats.tolist(), strict=True) if other < 0]
        return [self._kept_ids[other] if other >= 0 else "" for other in repeats.tolist()]


@dataclass(slots=True, kw_only=True, eq=False)
class BatchAssembly:
    """A measured batch while its shards are written."""

    number: int
    states: BatchStates
    duplicate_of: dict[int, str]
    """By index among the clips: the id of the clip that a near-duplicate repeats."""
    jobs: list[PackJob]
    packed: list[Packed] = field(default_factory=list)


def begin_assembly(
    plan: Plan,
    number: int,
    states: BatchStates,
    duplicates: DuplicateClips,
    committed: frozenset[str],
    next_numbers: dict[str, int],
) -> BatchAssembly:
    """Find near-duplicates and divide the batch into shards.

    `committed` are the keys of the batch that are in shards already: they stay there. `next_numbers` holds the first
    free shard number of each split, and grows.
    """
    clips = states.clips
    kept = np.flatnonzero(clips.kept)
    pixels = np.array([v.probe.width * v.probe.height if v.outcome == SPLIT else 0 for v in states.videos], np.int64)
    ids = clips.clip_ids
    ranked = sorted(kept.tolist(), key=lambda i: (-int(pixels[clips.video[i]]), ids[i]))
    signatures = clips.signatures
    old = [i for i in ranked if ids[i] in committed]
    new = [i for i in ranked if ids[i] not in committed]
    duplicates.add([ids[i] for i in old], signatures[old])
    repeated = duplicates.find_duplicates([ids[i] for i in new], signatures[new])
    duplicate_of = {i: other for i, other in zip(new, repeated, strict=True) if other}
    to_pack = sorted((i for i in new if i not in duplicate_of), key=lambda i: ids[i])
    jobs = list(_cut_shards(plan, states, to_pack, next_numbers))
    return BatchAssembly(number=number, states=states, duplicate_of=duplicate_of, jobs=jobs)


def _cut_shards(plan: Plan, states: BatchStates, places: list[int], next_numbers: dict[str, int]) -> Iterator[PackJob]:
    """Divide the clips of each split, in key order, into shards."""
    rows = states.clips.rows.take(pa.array(places, pa.int64()))
    scores = [name for name in rows.column_names if name.startswith("score.")]
    by_split: dict[str, list[PackItem]] = defaultdict(list)
    videos: dict[int, tuple] = {}
    for row, place in zip(rows.to_pylist(), places, strict=True):
        owner = int(states.clips.video[place])
        if owner not in videos:
            video = states.videos[owner].video
            videos[owner] = (video, assign_split(video, plan.config.splits))
        video, split = videos[owner]
        facts = ClipFacts(
            clip=Clip(
                clip_id=row["clip_id"],
                video=video,
                shot_index=row["shot_index"],
                start_frame=row["start_frame"],
                end_frame=row["end_frame"],
            ),
            times=(row["start_s"], row["end_s"]),
            scores={name.removeprefix("score."): row[name] for name in scores if row[name] is not None},
            facts=from_json(row["facts"]),
        )
        mp4 = Mp4Place(origin=row["mp4_origin"], file=row["mp4_file"], offset=row["mp4_offset"], size=row["mp4_bytes"])
        origins = tuple(row["origin"].split("\n")) if row["origin"] else ()
        by_split[split].append(PackItem(facts=facts, unit=row["unit"], origins=origins, mp4=mp4))
    limit = plan.config.shards.max_megabytes * 1_000_000
    for split, items in sorted(by_split.items()):
        shard: list[PackItem] = []
        size = 0
        for item in items:
            if shard and (len(shard) >= plan.config.shards.max_samples or size + item.mp4.size > limit):
                yield _name_job(split, shard, next_numbers)
                shard, size = [], 0
            shard.append(item)
            size += item.mp4.size
        yield _name_job(split, shard, next_numbers)


def _name_job(split: str, shard: list[PackItem], next_numbers: dict[str, int]) -> PackJob:
    number = next_numbers.get(split, 0)
    next_numbers[split] = number + 1
    return PackJob(name=format_shard_name(split, number), items=tuple(shard))


def count_videos_by_split(plan: Plan, assembly: BatchAssembly) -> dict[str, int]:
    """Return the number of videos of the batch with a sample, by split."""
    clips = assembly.states.clips
    kept = [i for i in np.flatnonzero(clips.kept).tolist() if i not in assembly.duplicate_of]
    owners = sorted({int(clips.video[i]) for i in kept})
    counts: dict[str, int] = defaultdict(int)
    for owner in owners:
        counts[assign_split(assembly.states.videos[owner].video, plan.config.splits)] += 1
    return dict(sorted(counts.items()))
