"""One .tflite model on one thread."""

import os
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from annotators.blazepose.prune import prune_model


class TfliteModel:
    """A model with one image input (1, H, W, 3) float32 that computes only `outputs`.

    It runs on one thread, so that the order of summation, and every bit of the result, is independent of the load.
    """

    def __init__(self, path: Path, outputs: Collection[str]) -> None:
        from ai_edge_litert.interpreter import Interpreter  # heavy: imported only if a model is loaded

        with _silence_stderr():
            self._interpreter = Interpreter(model_content=prune_model(path.read_bytes(), outputs), num_threads=1)
            self._interpreter.allocate_tensors()
        (entry,) = self._interpreter.get_input_details()
        self._input = entry["index"]
        self.input_size = int(entry["shape"][1])
        self._outputs = {detail["name"]: detail["index"] for detail in self._interpreter.get_output_details()}

    def __call__(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Return the outputs by name, each without its leading axis of one. `image` is (H, W, 3) float32."""
        self._interpreter.set_tensor(self._input, image[None])
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(index)[0] for name, index in self._outputs.items()}


@contextmanager
def _silence_stderr() -> Iterator[None]:
    """Hide LiteRT's "INFO: Created ... delegate", for which it has no setting. Errors are raised."""
    sys.stderr.flush()
    saved, devnull = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(devnull)
