"""The order of an epoch: which samples make each step, and which of them are this rank's.

A step is `batch_size` samples of one bucket over all ranks together, so that ranks work on equal shapes and wait for
no one. The steps depend on seed and epoch alone, not on the number of ranks: a run may go on with other ranks, and two
ranks see what one process would. A bucket's last step may be smaller. Where it doesn't divide by the ranks, those that
would be short repeat a sample of the same step with weight 0: each sample counts once an epoch, none is dropped, and
all ranks take the same number of steps on the same shapes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from humove.errors import UserError
from shards.buckets import Bucket


def check_batch(batch_size: int, ranks: int) -> None:
    """UserError where a batch does not divide by the ranks."""
    if batch_size % ranks:
        raise UserError(
            f"batch_size {batch_size} does not divide by {ranks} ranks: it counts the samples of a step over all "
            f"ranks; set it to {-(-batch_size // ranks) * ranks}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One rank's part of a step."""

    epoch: int
    number: int
    bucket: Bucket
    rows: tuple[int, ...]
    weights: tuple[float, ...]
    """1 for each sample, 0 for a repeat that fills the rank's share."""


class EpochOrder:
    """The steps of one epoch as one rank sees them. The same arguments give the same order on any machine."""

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
        # numpy promises the raw stream of a bit generator for good, but not what its shuffles make of it.
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
        """How many repeats of weight 0 the epoch has, over all ranks."""
        return sum(-len(rows) % self._world_size for _, rows in self._groups)

    def steps(self, first: int = 0) -> Iterator[Step]:
        """This rank's part of every step from number `first` on."""
        for number in range(first, len(self._groups)):
            bucket, group = self._groups[number]
            mine = group[self._rank :: self._world_size].tolist()
            share = -(-len(group) // self._world_size)
            repeats = group[:1].tolist() * (share - len(mine))
            yield Step(
                epoch=self._epoch,
                number=number,
                bucket=bucket,
                rows=(*mine, *repeats),
                weights=(*[1.0] * len(mine), *[0.0] * len(repeats)),
            )
