"""One .tflite model on one thread."""

import os
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from annotators.blazepose.prune import pruned


class TfliteModel:
    """A model with one image input (1, H, W, 3) float32, of which only `outputs` are computed.

    One thread: the order of summation, and with it every bit of the result, does not depend on the machine's load.
    """

    def __init__(self, path: Path, outputs: Collection[str]) -> None:
        from ai_edge_litert.interpreter import Interpreter  # heavy: only where a model is really loaded

        with _without_greeting():
            self._interpreter = Interpreter(model_content=pruned(path.read_bytes(), outputs), num_threads=1)
            self._interpreter.allocate_tensors()
        (entry,) = self._interpreter.get_input_details()
        self._input = entry["index"]
        self.input_size = int(entry["shape"][1])
        self._outputs = {detail["name"]: detail["index"] for detail in self._interpreter.get_output_details()}

    def __call__(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Outputs by name, each without its leading axis of one. `image` is (H, W, 3) float32."""
        self._interpreter.set_tensor(self._input, image[None])
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(index)[0] for name, index in self._outputs.items()}


@contextmanager
def _without_greeting() -> Iterator[None]:
    """Keeps LiteRT's "INFO: Created ... delegate" off the terminal; it has no setting for that. Errors are raised."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
