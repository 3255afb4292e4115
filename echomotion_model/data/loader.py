"""The training loader: one rank's batches, epoch after epoch, from any position."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from echomotion_model.data.batch import Batch, stack
from echomotion_model.data.catalogue import Catalogue
from echomotion_model.data.config import LoaderConfig
from echomotion_model.data.order import EpochOrder, Step, check_batch
from echomotion_model.data.sample import load_sample
from humove.errors import UserError
from shards.buckets import BucketCounts
from shards.reader import Dataset, open_dataset


class Loader:
    """Batches of one split for one rank.

    Iterating yields what is left of the current epoch; loop over the loader again for the next one. `state_dict` is
    the position after the batch last handed out, whatever the workers have read ahead (they read on into the next
    epoch). A loader that is given this state yields exactly the rest, also with other workers or another number of
    ranks.
    """

    def __init__(self, dataset: Dataset, config: LoaderConfig, *, rank: int = 0, world_size: int = 1) -> None:
        """Reads the index. UserError where the batch does not divide by the ranks, or as Catalogue says."""
        check_batch(config.batch_size, world_size)
        self._config, self._rank, self._world_size = config, rank, world_size
        self._catalogue = Catalogue(dataset, config.split, config.buckets)
        self._epoch, self._step = 0, 0
        self._running: Iterator[Batch | _Failure] | None = None
        order = next(_orders(self._catalogue, config, rank, world_size, 0))
        self.steps_per_epoch = len(order)
        """Steps of every epoch, on every rank."""
        self.padding = order.padding
        """Repeats of weight 0 in every epoch, over all ranks."""

    @property
    def counts(self) -> BucketCounts:
        """What an epoch uses by bucket and leaves out by reason; equal to `count_buckets` of the index."""
        return self._catalogue.counts

    def __iter__(self) -> Iterator[Batch]:
        """The batches left in this epoch. UserError where a shard is missing or damaged."""
        epoch = self._epoch
        while self._epoch == epoch:
            yield self._next()

    def _next(self) -> Batch:
        if self._running is None:
            self._running = iter(self._start())
        batch = next(self._running)
        if isinstance(batch, _Failure):
            self.close()
            raise UserError(batch.message, batch.exit_code)
        self._step += 1
        if self._step == self.steps_per_epoch:
            self._epoch, self._step = self._epoch + 1, 0
        return batch

    def _start(self) -> DataLoader:
        """Decoding from the present position on, without an end.

        torch hands the steps to the workers in turn and returns their batches in the same order, however many.
        """
        orders = _orders(self._catalogue, self._config, self._rank, self._world_size, self._epoch)
        return DataLoader(
            _Batches(self._catalogue, self._config),
            batch_size=None,  # a step is a batch already
            sampler=_steps(orders, self._step),
            num_workers=self._config.workers,
            collate_fn=_as_it_is,
        )

    def close(self) -> None:
        """Ends the workers; iterating starts them again where they were."""
        self._running = None

    def state_dict(self) -> dict[str, Any]:
        """The position: plain numbers and strings."""
        return {"epoch": self._epoch, "step": self._step, "data": self._identity()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes to a position. UserError where it was saved with other samples, buckets, seed or batch size."""
        if state["data"] != self._identity():
            raise UserError(
                f"{self._catalogue.path}: the position to resume from was saved with other samples, buckets, seed or "
                "batch_size; give the data set and settings of the run, or start a new one"
            )
        self.close()
        self._epoch, self._step = int(state["epoch"]), int(state["step"])

    def _identity(self) -> str:
        said = f"{self._catalogue.identity} {self._config.split} {self._config.seed} {self._config.batch_size}"
        return hashlib.sha256(said.encode()).hexdigest()


def _orders(catalogue: Catalogue, config: LoaderConfig, rank: int, world_size: int, epoch: int) -> Iterator[EpochOrder]:
    """The orders of an epoch and of all after it."""
    for number in count(epoch):
        yield EpochOrder(
            catalogue.members,
            seed=config.seed,
            epoch=number,
            batch_size=config.batch_size,
            rank=rank,
            world_size=world_size,
        )


def _steps(orders: Iterator[EpochOrder], first: int) -> Iterator[Step]:
    """The steps of the orders, one after the other, from number `first` of the first order on."""
    for order in orders:
        yield from order.steps(first)
        first = 0


@dataclass(frozen=True, slots=True)
class _Failure:
    """A UserError on its way out of a worker; torch would wrap it in the worker's whole traceback."""

    message: str
    exit_code: int


class _Batches(TorchDataset):
    """Turns steps into batches, in the training process or in a worker."""

    def __init__(self, catalogue: Catalogue, config: LoaderConfig) -> None:
        self._catalogue, self._config = catalogue, config
        self._opened: tuple[int, Dataset] | None = None

    def __getitem__(self, step: Step) -> Batch | _Failure:
        try:
            entries = [self._catalogue.entry(row, step.bucket) for row in step.rows]
            dataset = self._dataset()
            return stack(step, [load_sample(dataset, entry, self._config, step.epoch) for entry in entries])
        except UserError as error:
            return _Failure(str(error), error.exit_code)

    def _dataset(self) -> Dataset:
        """Opened anew in each process: an object store's connections do not survive a fork."""
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = os.getpid(), open_dataset(self._catalogue.path)
        return self._opened[1]


def _as_it_is(batch: Batch | _Failure) -> Batch | _Failure:
    return batch
