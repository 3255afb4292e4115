"""Batches for a model on a GPU, halved when the memory runs out."""

import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

In = TypeVar("In")
Out = TypeVar("Out")


def run_in_batches(items: Sequence[In], run: Callable[[Sequence[In]], Sequence[Out]], size: int) -> list[Out]:
    """Call `run` on `items`, at most `size` at once; return one result for each item, in order.

    When the GPU's memory runs out, the batch size is halved for the remaining items. An item that does not fit alone
    raises the library's exception. `run` must not change its argument: a batch may be run again.
    """
    if size < 1:
        raise ValueError(f"size is {size}; use 1 or more")
    results: list[Out] = []
    while len(results) < len(items):
        batch = items[len(results) : len(results) + size]
        try:
            out = run(batch)
        except Exception as error:  # onnxruntime's exceptions have no common base; others than of memory are raised
            if not is_out_of_memory(error) or len(batch) == 1:
                raise
            out = None
        # Outside the except block: while the exception lives, its frames hold the tensors that took the memory.
        if out is None:
            size = len(batch) // 2
            _free_gpu_memory()
            continue
        if len(out) != len(batch):
            raise RuntimeError(f"{len(out)} results for a batch of {len(batch)}")
        results.extend(out)
    return results


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means a full GPU: torch's own exception, or TorchScript's and onnxruntime's."""
    text = str(error).lower()
    return type(error).__name__ == "OutOfMemoryError" or "out of memory" in text or "failed to allocate memory" in text


def _free_gpu_memory() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
