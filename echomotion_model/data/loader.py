"""The training loader: one rank's batches, from any position."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from echomotion_model.data.batch import Batch, stack_samples
from echomotion_model.data.catalogue import SampleIndex
from echomotion_model.data.config import LoaderConfig
from echomotion_model.data.order import EpochOrder, RankStep, check_batch
from echomotion_model.data.sample import load_sample
from humove.errors import UserError
from shards.buckets import BucketCounts
from shards.reader import Dataset, open_dataset


class Loader:
    """Batches of one split for one rank.

    Iterating yields the rest of the current epoch; iterate again for the next one. `state_dict` is the position after
    the last batch, regardless of what workers have read ahead (also of the next epoch). A loader that loads this state
    yields exactly the rest, also with another number of workers or ranks.
    """

    def __init__(self, dataset: Dataset, config: LoaderConfig, *, rank: int = 0, world_size: int = 1) -> None:
        """Read the index. UserError if the ranks do not divide the batch, or as of SampleIndex."""
        check_batch(config.batch_size, world_size)
        self._config, self._rank, self._world_size = config, rank, world_size
        self._index = SampleIndex(dataset, config.split, config.buckets)
        self._epoch, self._step = 0, 0
        self._running: Iterator[Batch | _Failure] | None = None
        order = next(_iterate_orders(self._index, config, rank, world_size, 0))
        self.steps_per_epoch = len(order)
        """Steps per epoch, the same on every rank."""
        self.padding = order.padding
        """Repeats of weight 0 per epoch, over all ranks."""

    @property
    def counts(self) -> BucketCounts:
        """Samples used, by bucket, and left out, by reason; equal to `count_buckets` of the index."""
        return self._index.counts

    def __iter__(self) -> Iterator[Batch]:
        """Iterate over the remaining batches of this epoch. UserError if a shard is missing or damaged."""
        epoch = self._epoch
        while self._epoch == epoch:
            yield self._load_next()

    def _load_next(self) -> Batch:
        if self._running is None:
            self._running = iter(self._start_workers())
        batch = next(self._running)
        if isinstance(batch, _Failure):
            self.close()
            raise UserError(batch.message, batch.exit_code)
        self._step += 1
        if self._step == self.steps_per_epoch:
            self._epoch, self._step = self._epoch + 1, 0
        return batch

    def _start_workers(self) -> DataLoader:
        """Start decoding from the current position, without end.

        torch distributes the steps over the workers and returns their batches in order.
        """
        orders = _iterate_orders(self._index, self._config, self._rank, self._world_size, self._epoch)
        return DataLoader(
            _Batches(self._index, self._config),
            batch_size=None,  # a step is already a batch
            sampler=_iterate_steps(orders, self._step),
            num_workers=self._config.workers,
            collate_fn=_pass_through,
        )

    def close(self) -> None:
        """Stop the workers; iterating restarts them at the same position."""
        self._running = None

    def state_dict(self) -> dict[str, Any]:
        """Get the position, as plain numbers and strings."""
        return {"epoch": self._epoch, "step": self._step, "data": self._compute_identity()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Set the position. UserError if it was saved with other samples, buckets, seed or batch size."""
        if state["data"] != self._compute_identity():
            raise UserError(
                f"{self._index.path}: the position to resume from was saved with other samples, buckets, seed or "
                "batch_size; use the run's data set and settings, or start a new run"
            )
        self.close()
        self._epoch, self._step = int(state["epoch"]), int(state["step"])

    def _compute_identity(self) -> str:
        content = f"{self._index.identity} {self._config.split} {self._config.seed} {self._config.batch_size}"
        return hashlib.sha256(content.encode()).hexdigest()


def _iterate_orders(
    index: SampleIndex, config: LoaderConfig, rank: int, world_size: int, epoch: int
) -> Iterator[EpochOrder]:
    """Iterate over the orders of an epoch and all later ones."""
    for number in count(epoch):
        yield EpochOrder(
            index.members,
            seed=config.seed,
            epoch=number,
            batch_size=config.batch_size,
            rank=rank,
            world_size=world_size,
        )


def _iterate_steps(orders: Iterator[EpochOrder], first: int) -> Iterator[RankStep]:
    """Iterate over the steps of all orders, from number `first` of the first order."""
    for order in orders:
        yield from order.iterate_steps(first)
        first = 0


@dataclass(frozen=True, slots=True)
class _Failure:
    """A UserError returned from a worker, since torch would add the worker's traceback to a raised one."""

    message: str
    exit_code: int


class _Batches(TorchDataset):
    """A map from steps to batches, in the training process or a worker."""

    def __init__(self, index: SampleIndex, config: LoaderConfig) -> None:
        self._index, self._config = index, config
        self._opened: tuple[int, Dataset] | None = None

    def __getitem__(self, step: RankStep) -> Batch | _Failure:
        try:
            entries = [self._index.get_entry(row, step.bucket) for row in step.rows]
            dataset = self._open_dataset()
            return stack_samples(step, [load_sample(dataset, entry, self._config, step.epoch) for entry in entries])
        except UserError as error:
            return _Failure(str(error), error.exit_code)

    def _open_dataset(self) -> Dataset:
        """Open the data set once per process: an object store's connections do not survive a fork."""
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = os.getpid(), open_dataset(self._index.path)
        return self._opened[1]


def _pass_through(batch: Batch | _Failure) -> Batch | _Failure:
    return batch
