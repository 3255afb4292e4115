"""The part of an annotator that runs on a device: a network that takes and gives rows of arrays.

Everything else of an annotator (cropping, resizing, decoding heat maps, tracking, prompting) runs on the CPU and calls
`run`. So the network can run in another process than the rest, and serve several of them.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    import torch

Columns = tuple[np.ndarray, ...]
"""Arrays whose first axis is the same: row i of a batch is row i of each. A column whose rows differ in shape is a
one-dimensional object array of arrays, as `ragged` makes it."""


class Network(Protocol):
    """A model with its settings. Picklable before it is loaded; each row's result depends on that row alone."""

    batch_size: int
    """Rows that fit on the device at once, as far as the user knows."""

    def load(self, device: str) -> None:
        """Read the weights; `device` is "cpu" or "cuda". UserError where they are missing or wrong."""

    def constants(self) -> dict[str, np.ndarray]:
        """What the loaded model says of itself and the steps before and after it must know, by name."""

    def run(self, inputs: Columns) -> Columns:
        """B rows in, B rows out. Must not change its inputs: a batch may run again."""


NO_NETWORKS: Mapping[str, Network] = MappingProxyType({})
"""By kind of annotator, the networks that run in another process: none."""


def load_network(own: Network, device: str, given: Network | None) -> Network:
    """The network to call: a given one, which is loaded already, or an annotator's own, loaded here."""
    if given is not None:
        return given
    own.load(device)
    return own


def ragged(rows: Sequence[np.ndarray]) -> np.ndarray:
    """A column of arrays of any shapes."""
    column = np.empty(len(rows), dtype=object)
    for index, row in enumerate(rows):
        column[index] = row
    return column


def text_column(texts: Sequence[str]) -> np.ndarray:
    """A column of texts; `read_texts` reads it."""
    return ragged([np.frombuffer(text.encode(), np.uint8) for text in texts])


def read_texts(column: np.ndarray) -> list[str]:
    """The texts of a column that `text_column` made."""
    return [row.tobytes().decode() for row in column]


def as_tensor(array: np.ndarray) -> "torch.Tensor":
    """The array as a tensor; copied only where it can't be written to, as arrays from another process may be."""
    import torch

    return torch.from_numpy(np.require(array, requirements=["C", "W"]))


def count_rows(columns: Columns) -> int:
    """The number of rows. ValueError where the columns disagree, or there are none."""
    counts = {len(column) for column in columns}
    if len(counts) != 1:
        raise ValueError(f"columns of {sorted(counts)} rows; a network takes and gives columns of one length")
    return counts.pop()


def take_rows(columns: Columns, start: int, stop: int) -> Columns:
    """The rows from `start` to `stop` (exclusive)."""
    return tuple(column[start:stop] for column in columns)


def join_rows(parts: Sequence[Columns]) -> Columns:
    """The rows of all parts, in order."""
    return parts[0] if len(parts) == 1 else tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def layout(columns: Columns) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """What two batches must have in common to be joined: types, and the shapes of a row."""
    return tuple((column.dtype.str, column.shape[1:]) for column in columns)
