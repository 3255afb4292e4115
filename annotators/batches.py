"""Batches for a model on a GPU: as large as is asked for, smaller where the memory does not hold them."""

import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

In = TypeVar("In")
Out = TypeVar("Out")


def in_batches(items: Sequence[In], run: Callable[[Sequence[In]], Sequence[Out]], size: int) -> list[Out]:
    """`run` over `items`, at most `size` at once; one result for each item, in order.

    Where the GPU's memory runs out the batch is halved, and stays so for the rest of these items. An item that does not
    fit alone raises what the library raised. `run` must not change what it is given: a batch may be run again.
    """
    if size < 1:
        raise ValueError(f"size is {size}; use 1 or more")
    results: list[Out] = []
    while len(results) < len(items):
        batch = items[len(results) : len(results) + size]
        try:
            out = run(batch)
        except Exception as error:  # onnxruntime's own derive from nothing nearer; whatever is not of memory goes on
            if not is_out_of_memory(error) or len(batch) == 1:
                raise
            out = None
        # Outside the except block: while the exception lives, its frames hold the tensors that took the memory.
        if out is None:
            size = len(batch) // 2
            _give_memory_back()
            continue
        if len(out) != len(batch):
            raise RuntimeError(f"{len(out)} results for a batch of {len(batch)}")
        results.extend(out)
    return results


def is_out_of_memory(error: BaseException) -> bool:
    """Whether it is a GPU that is full: torch's own exception, or TorchScript's and onnxruntime's RuntimeErrors."""
    text = str(error).lower()
    return type(error).__name__ == "OutOfMemoryError" or "out of memory" in text or "failed to allocate memory" in text


def _give_memory_back() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
