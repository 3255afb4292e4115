"""Rows of several callers share batches, and each caller gets its own back."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from annotators.network import make_ragged_column
from pipelines.engine.models.batch_queue import BatchQueue
from tests.pipelines.engine.networks import Doubler, Reverser, make_frames, read_notes


@pytest.fixture
def gate():
    """A network that blocks in its first batch until it is opened, so that callers queue behind it."""

    class Gate(Doubler):
        opened = threading.Event()
        entered = threading.Event()

        def run(self, inputs):
            self.entered.set()
            self.opened.wait(10)
            return super().run(inputs)

    return Gate


def call_together(queue: BatchQueue, gate, batches: list) -> list:
    """Return the results of calls that all wait behind the first."""
    with ThreadPoolExecutor(len(batches)) as pool:
        calls = [pool.submit(queue.run, batches[0])]
        gate.entered.wait(10)
        for number, batch in enumerate(batches[1:], 1):
            calls.append(pool.submit(queue.run, batch))
            while queue.num_waiting < number:
                time.sleep(0.001)
        gate.opened.set()
        return [call.exception() or call.result() for call in calls]


def read_batch_sizes(folder: Path) -> list[int]:
    return [len(note["rows"]) for note in read_notes(folder, "batches")]


def test_a_batch_is_filled_from_several_callers(tmp_path: Path, gate) -> None:
    network = gate(tmp_path, batch_size=8)
    queue = BatchQueue(network)
    batches = [make_frames(0), make_frames(1, 2, 3), make_frames(4, 5, 6), make_frames(7, 8, 9), make_frames(10, 11)]
    results = call_together(queue, network, batches)
    assert [note["rows"] for note in read_notes(tmp_path, "batches")] == [[0], [1, 2, 3, 4, 5, 6, 7, 8], [9, 10, 11]]
    for batch, (output,) in zip(batches, results, strict=True):
        np.testing.assert_array_equal(output, batch[0] * 2)
    queue.close()


def test_a_single_call_waits_at_most_max_wait_s(tmp_path: Path) -> None:
    queue = BatchQueue(Doubler(tmp_path, batch_size=64), max_wait_s=0.05)
    start = time.monotonic()
    queue.run(make_frames(1))
    assert 0.04 < time.monotonic() - start < 0.5
    queue.close()


def test_a_full_batch_does_not_wait(tmp_path: Path) -> None:
    queue = BatchQueue(Doubler(tmp_path, batch_size=2), max_wait_s=5)
    start = time.monotonic()
    queue.run(make_frames(1, 2))
    assert time.monotonic() - start < 1
    queue.close()


def test_rows_of_other_shapes_and_types_are_batches_of_their_own(tmp_path: Path, gate) -> None:
    network = gate(tmp_path, batch_size=8)
    queue = BatchQueue(network)
    wide, whole = np.full((2, 3, 9), 5, np.float32), np.full((2, 6, 4), 7, np.float64)
    results = call_together(queue, network, [make_frames(0), make_frames(1), (wide,), (whole,), make_frames(2)])
    assert [note["rows"] for note in read_notes(tmp_path, "batches")] == [[0], [1, 2], [5, 5], [7, 7]]
    assert [result[0].dtype.str for result in results] == ["<f4", "<f4", "<f4", "<f8", "<f4"]
    queue.close()


def test_rows_of_any_shape_share_a_ragged_batch() -> None:
    queue = BatchQueue(Reverser())
    given = [np.arange(n) for n in (1, 5, 0, 3, 2, 7)]
    rows, lengths = queue.run((make_ragged_column(given),))
    assert lengths.tolist() == [1, 5, 0, 3, 2, 7]
    assert all(np.array_equal(row, one[::-1]) for row, one in zip(rows, given, strict=True))
    queue.close()


def test_a_batch_too_large_for_the_device_halves_the_size_for_good(tmp_path: Path) -> None:
    queue = BatchQueue(Doubler(tmp_path, batch_size=8, fits=3))
    for _ in range(2):
        (got,) = queue.run(make_frames(*range(8)))
        np.testing.assert_array_equal(got, make_frames(*range(8))[0] * 2)
    assert read_batch_sizes(tmp_path) == [2, 2, 2, 2, 2, 2, 2, 2]  # 8 and 4 were tried only once
    queue.close()


def test_an_error_reaches_only_its_own_caller(tmp_path: Path, gate) -> None:
    network = gate(tmp_path, batch_size=8)
    queue = BatchQueue(network)
    results = call_together(queue, network, [make_frames(0), make_frames(1, 2), make_frames(3, -1), make_frames(4)])
    assert isinstance(results[2], ValueError) and "a row of -1" in str(results[2])
    assert [results[i][0][0, 0, 0] for i in (0, 1, 3)] == [0, 2, 8]
    assert queue.run(make_frames(5))[0][0, 0, 0] == 10  # the queue still works
    queue.close()


def test_waiting_callers_get_an_error_when_the_queue_closes(tmp_path: Path, gate) -> None:
    network = gate(tmp_path)
    queue = BatchQueue(network)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(queue.run, make_frames(0))
        network.entered.wait(10)
        second = pool.submit(queue.run, make_frames(1))
        while queue.num_waiting < 1:
            time.sleep(0.001)
        closing = pool.submit(queue.close)
        with pytest.raises(RuntimeError, match="has been closed"):
            second.result(5)
        network.opened.set()
        closing.result(5)
        assert first.result(5)[0][0, 0, 0] == 0
    with pytest.raises(RuntimeError, match="has been closed"):
        queue.run(make_frames(2))
