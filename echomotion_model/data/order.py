"""The order of an epoch: the samples of each step, and this rank's share of them.

A step is `batch_size` samples of one bucket over all ranks, so that all ranks have equal shapes and none waits. The
steps depend only on seed and epoch, not on the number of ranks: a run can resume with another number of ranks, and two
ranks process the samples that one process would. A bucket's last step may be smaller. If the ranks do not divide it,
some repeat a sample of the same step with weight 0: each sample counts once per epoch, none is dropped, and all ranks
take the same number of steps with the same shapes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from humove.errors import UserError
from shards.buckets import Bucket


def check_batch(batch_size: int, ranks: int) -> None:
    """Raise UserError if the ranks do not divide a batch."""
    if batch_size % ranks:
        raise UserError(
            f"batch_size {batch_size} does not divide by {ranks} ranks: it counts the samples of a step over all "
            f"ranks; set it to {-(-batch_size // ranks) * ranks}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RankStep:
    """One rank's part of a step."""

    epoch: int
    number: int
    bucket: Bucket
    rows: tuple[int, ...]
    weights: tuple[float, ...]
    """1 for each sample, 0 for a repeat that fills up the rank's share."""


class EpochOrder:
    """The steps of one epoch for one rank. The same arguments give the same order on any machine."""

    def __init__(
        self,
        members: Mapping[Bucket, np.ndarray],
        *,
        seed: int,
        epoch: int,
        batch_size: int,
        rank: int,
        world_size: int,
    ) -> None:
        if not 0 <= rank < world_size or batch_size % world_size:
            raise ValueError(f"rank {rank} of {world_size}, {batch_size} samples a step: must divide by the ranks")
        self._epoch, self._rank, self._world_size = epoch, rank, world_size
        # numpy keeps the raw stream of a bit generator stable over versions, but not its shuffles.
        source = np.random.PCG64(np.random.SeedSequence([seed, epoch]))
        groups: list[tuple[Bucket, np.ndarray]] = []
        for bucket in sorted(members):
            rows = members[bucket][np.argsort(source.random_raw(len(members[bucket])), kind="stable")]
            groups += [(bucket, rows[start : start + batch_size]) for start in range(0, len(rows), batch_size)]
        self._groups = [groups[i] for i in np.argsort(source.random_raw(len(groups)), kind="stable")]

    def __len__(self) -> int:
        return len(self._groups)

    @property
    def padding(self) -> int:
        """Number of repeats of weight 0 in the epoch, over all ranks."""
        return sum(-len(rows) % self._world_size for _, rows in self._groups)

    def iterate_steps(self, first: int = 0) -> Iterator[RankStep]:
        """Iterate over this rank's part of every step from number `first`."""
        for number in range(first, len(self._groups)):
            bucket, group = self._groups[number]
            own = group[self._rank :: self._world_size].tolist()
            share = -(-len(group) // self._world_size)
            repeats = group[:1].tolist() * (share - len(own))
            yield RankStep(
                epoch=self._epoch,
                number=number,
                bucket=bucket,
                rows=(*own, *repeats),
                weights=(*[1.0] * len(own), *[0.0] * len(repeats)),
            )
