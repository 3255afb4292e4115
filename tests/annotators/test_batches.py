"""Batches: in order, complete, and halved when a GPU's memory runs out."""

import pytest
import torch

from annotators.batches import is_out_of_memory, run_in_batches


class Card:
    """A GPU with room for a number of items, which raises the library's error beyond it."""

    def __init__(self, holds: int, error: Exception) -> None:
        self.holds, self.error = holds, error
        self.seen: list[int] = []

    def run(self, items: list[int]) -> list[int]:
        self.seen.append(len(items))
        if len(items) > self.holds:
            raise self.error
        return [item * item for item in items]


FULL = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("The following operation failed in the TorchScript interpreter.\nRuntimeError: CUDA out of memory."),
    RuntimeError("[ONNXRuntimeError] : 1 : FAIL : Failed to allocate memory for requested buffer of size 8388608"),
]


@pytest.mark.parametrize("error", FULL, ids=["torch", "torchscript", "onnxruntime"])
def test_a_full_gpu_halves_the_batch(error: Exception) -> None:
    card = Card(holds=3, error=error)
    assert run_in_batches(list(range(10)), card.run, 8) == [i * i for i in range(10)]
    assert card.seen == [8, 4, 2, 2, 2, 2, 2]


def test_items_that_fit_run_in_one_batch() -> None:
    card = Card(holds=8, error=FULL[0])
    assert run_in_batches([3, 4, 5], card.run, 8) == [9, 16, 25]
    assert card.seen == [3]
    assert run_in_batches([], card.run, 8) == []


def test_an_item_that_does_not_fit_alone_raises() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        run_in_batches([1, 2], Card(holds=0, error=FULL[0]).run, 2)


def test_other_errors_are_not_retried() -> None:
    card = Card(holds=1, error=RuntimeError("shapes differ"))
    with pytest.raises(RuntimeError, match="shapes differ"):
        run_in_batches([1, 2], card.run, 2)
    assert card.seen == [2]
    assert not is_out_of_memory(ValueError("bad"))


def test_a_model_that_loses_an_item_is_caught() -> None:
    with pytest.raises(RuntimeError, match="1 results for a batch of 2"):
        run_in_batches([1, 2], lambda items: [0], 2)


def test_a_size_of_zero_is_rejected() -> None:
    with pytest.raises(ValueError, match="use 1 or more"):
        run_in_batches([1], lambda items: items, 0)
