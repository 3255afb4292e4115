"""The training loader: one rank's batches, epoch after epoch, from any position."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from echomotion_model.data.batch import Batch, stack
from echomotion_model.data.catalogue import Catalogue
from echomotion_model.data.config import LoaderConfig
from echomotion_model.data.order import EpochOrder, Step
from echomotion_model.data.sample import load_sample
from humove.errors import UserError
from shards.buckets import BucketCounts
from shards.reader import Dataset, open_dataset


class Loader:
    """Batches of one split for one rank.

    Iterating yields what is left of the current epoch, and moves on to the next one: loop over it again for more.
    `state_dict` is the position after the batch last handed out, whatever the workers have read ahead; a loader with
    that state yields exactly the rest, also with other workers or another number of ranks.
    """

    def __init__(self, dataset: Dataset, config: LoaderConfig, *, rank: int = 0, world_size: int = 1) -> None:
        """Reads the index. UserError where the batch does not divide by the ranks, or as Catalogue says."""
        if config.batch_size % world_size:
            raise UserError(
                f"batch_size {config.batch_size} does not divide by {world_size} ranks: it counts the samples of a "
                f"step over all ranks; set it to {-(-config.batch_size // world_size) * world_size}"
            )
        self._config, self._rank, self._world_size = config, rank, world_size
        self._catalogue = Catalogue(dataset, config.split, config.buckets)
        self._epoch, self._step = 0, 0
        self._order = self._order_of(0)
        self._ahead = _Ahead()
        self._batches = DataLoader(
            _Steps(self._catalogue, config),
            batch_size=None,  # a step is a batch already
            sampler=self._ahead,
            num_workers=config.workers,
            collate_fn=_as_it_is,
            persistent_workers=config.workers > 0,
        )

    @property
    def counts(self) -> BucketCounts:
        """What an epoch uses by bucket and leaves out by reason; equal to `count_buckets` of the index."""
        return self._catalogue.counts

    @property
    def steps_per_epoch(self) -> int:
        """Steps of every epoch, on every rank."""
        return len(self._order)

    @property
    def padding(self) -> int:
        """Repeats of weight 0 in every epoch, over all ranks."""
        return self._order.padding

    def __iter__(self) -> Iterator[Batch]:
        """The batches left in this epoch. UserError where a shard is missing or damaged."""
        order, first = self._order, self._step
        self._ahead.steps = order.steps(first)
        for batch in self._batches:
            if isinstance(batch, _Failure):
                raise UserError(batch.message, batch.exit_code)
            self._step = batch.step + 1
            if self._step == len(order):
                self._epoch, self._step = self._epoch + 1, 0
                self._order = self._order_of(self._epoch)
            yield batch

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
        self._epoch, self._step = int(state["epoch"]), int(state["step"])
        self._order = self._order_of(self._epoch)

    def _order_of(self, epoch: int) -> EpochOrder:
        config = self._config
        return EpochOrder(
            self._catalogue.members,
            seed=config.seed,
            epoch=epoch,
            batch_size=config.batch_size,
            rank=self._rank,
            world_size=self._world_size,
        )

    def _identity(self) -> str:
        said = f"{self._catalogue.identity} {self._config.split} {self._config.seed} {self._config.batch_size}"
        return hashlib.sha256(said.encode()).hexdigest()


class _Ahead:
    """The sampler: hands the steps of the epoch to the workers, who return them in this order, however many."""

    def __init__(self) -> None:
        self.steps: Iterator[Step] = iter(())

    def __iter__(self) -> Iterator[Step]:
        return self.steps


@dataclass(frozen=True, slots=True)
class _Failure:
    """A UserError on its way out of a worker; torch would wrap it in the worker's whole traceback."""

    message: str
    exit_code: int


class _Steps(TorchDataset):
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
