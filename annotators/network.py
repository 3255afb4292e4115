"""The part of an annotator that runs on a device: a network whose inputs and outputs are rows of arrays.

The rest of an annotator (cropping, resizing, decoding heat maps, tracking, prompting) runs on the CPU and calls `run`.
The network can therefore run in another process and serve several annotators.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    import torch

Columns = tuple[np.ndarray, ...]
"""Arrays with the same length of the first axis: row i of a batch is row i of each. A column whose rows differ in shape
is a one-dimensional object array of arrays, see `make_ragged_column`."""


class Network(Protocol):
    """A model with its settings. Picklable before `load`; each row's result depends on that row alone."""

    batch_size: int
    """Maximum rows a call, as the user set it."""

    def load(self, device: str) -> None:
        """Read the weights; `device` is "cpu" or "cuda". UserError if they are missing or wrong."""

    def constants(self) -> dict[str, np.ndarray]:
        """Return the properties of the loaded model that preprocessing and postprocessing need, by name."""

    def run(self, inputs: Columns) -> Columns:
        """Run the model on B rows and return B rows. Must not change its inputs: a batch may run again."""


NO_NETWORKS: Mapping[str, Network] = MappingProxyType({})
"""No network in another process; otherwise they are keyed by kind of annotator."""


def load_network(own: Network, device: str, remote: Network | None) -> Network:
    """Return the network to call: `remote`, which is already loaded, or `own`, loaded here."""
    if remote is not None:
        return remote
    own.load(device)
    return own


def make_ragged_column(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Make a column of arrays of any shapes."""
    column = np.empty(len(rows), dtype=object)
    for index, row in enumerate(rows):
        column[index] = row
    return column


def make_text_column(texts: Sequence[str]) -> np.ndarray:
    """Encode texts as a column; `read_texts` decodes it."""
    return make_ragged_column([np.frombuffer(text.encode(), np.uint8) for text in texts])


def read_texts(column: np.ndarray) -> list[str]:
    """Decode the texts of a column from `make_text_column`."""
    return [row.tobytes().decode() for row in column]


def to_tensor(array: np.ndarray) -> "torch.Tensor":
    """Convert an array to a tensor; copies only read-only arrays, as those from another process may be."""
    import torch

    return torch.from_numpy(np.require(array, requirements=["C", "W"]))


def count_rows(columns: Columns) -> int:
    """Return the number of rows. ValueError if the columns differ in length, or there are none."""
    counts = {len(column) for column in columns}
    if len(counts) != 1:
        raise ValueError(f"columns of {sorted(counts)} rows; all columns must have one length")
    return counts.pop()


def take_rows(columns: Columns, start: int, stop: int) -> Columns:
    """Return the rows from `start` to `stop` (exclusive)."""
    return tuple(column[start:stop] for column in columns)


def join_rows(parts: Sequence[Columns]) -> Columns:
    """Concatenate the rows of all parts, in order."""
    return parts[0] if len(parts) == 1 else tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def get_layout(columns: Columns) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return what batches must share to be joined: the data type and the shape of a row of each column."""
    return tuple((column.dtype.str, column.shape[1:]) for column in columns)
