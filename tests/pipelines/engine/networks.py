"""Networks on a fake device that note which process ran what, and fail on given rows."""

import json
import os
import time
from pathlib import Path

import numpy as np

from annotators.network import Columns, make_ragged_column
from humove.errors import UserError


class Doubler:
    """(B, ...) float32 -> twice as much. Notes each batch in `folder`: the process, its GPU, and which rows.

    A row that begins with `deadly` kills the process; one that begins with -1 raises.
    """

    def __init__(self, folder: Path, *, batch_size: int = 8, seconds: float = 0.0, fits: int = 1000) -> None:
        self.folder = folder
        self.batch_size = batch_size
        self.seconds = seconds
        self.fits = fits
        self.deadly = -2.0

    def load(self, device: str) -> None:
        self.device = device
        self._note("loads", {"device": device})

    def constants(self) -> dict[str, np.ndarray]:
        return {"factor": np.array(2.0), "name": np.array("doubler")}

    def run(self, inputs: Columns) -> Columns:
        (rows,) = inputs
        first = rows.reshape(len(rows), -1)[:, 0]
        if (first == self.deadly).any():
            os._exit(9)
        if (first == -1).any():
            raise ValueError("a row of -1")
        if len(rows) > self.fits:
            raise RuntimeError("CUDA out of memory")
        time.sleep(self.seconds)
        self._note("batches", {"rows": first.tolist()})
        return (rows * 2,)

    def _note(self, what: str, values: dict) -> None:
        line = {"pid": os.getpid(), "gpu": os.environ.get("CUDA_VISIBLE_DEVICES", ""), **values}
        with (self.folder / f"{what}-{os.getpid()}.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")


class Reverser:
    """A ragged column -> each row reversed, and its length."""

    batch_size = 4

    def load(self, device: str) -> None: ...

    def constants(self) -> dict[str, np.ndarray]:
        return {}

    def run(self, inputs: Columns) -> Columns:
        (rows,) = inputs
        return make_ragged_column([row[::-1] for row in rows]), np.array([len(row) for row in rows])


class Unloadable(Doubler):
    """A network that only the first `can` processes can load; others raise a UserError or die."""

    def __init__(self, folder: Path, *, can: int = 0, dies: bool = False) -> None:
        super().__init__(folder)
        self.can = can
        self.dies = dies

    def load(self, device: str) -> None:
        for number in range(self.can):
            try:
                (self.folder / f"taken-{number}").touch(exist_ok=False)
            except FileExistsError:
                continue
            super().load(device)
            return
        if self.dies:
            os._exit(11)
        raise UserError("motion.nlf.weights.path: no file /models/nlf.torchscript; mend the path")


def read_notes(folder: Path, what: str) -> list[dict]:
    """Return the notes of networks, one per line."""
    return [json.loads(line) for file in sorted(folder.glob(f"{what}-*")) for line in file.read_text().splitlines()]


def make_frames(*values: float) -> Columns:
    """Return a batch of small frames, each filled with one value."""
    return (np.stack([np.full((6, 4), value, np.float32) for value in values]),)
