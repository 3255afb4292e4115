"""Rows of several callers share batches, and each caller gets its own back."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from annotators.network import ragged
from pipelines.engine.batch_queue import BatchQueue
from tests.pipelines.engine.networks import Doubler, Reverser, frames, notes


@pytest.fixture
def gate():
    """A network that waits in its first batch until it is opened, so that callers queue up behind it."""

    class Gate(Doubler):
        opened = threading.Event()
        entered = threading.Event()

        def run(self, inputs):
            self.entered.set()
            self.opened.wait(10)
            return super().run(inputs)

    return Gate


def queue_up(queue: BatchQueue, gate, batches: list) -> list:
    """The answers to calls that all wait at once behind the first."""
    with ThreadPoolExecutor(len(batches)) as pool:
        calls = [pool.submit(queue.run, batches[0])]
        gate.entered.wait(10)
        for number, batch in enumerate(batches[1:], 1):
            calls.append(pool.submit(queue.run, batch))
            while queue.num_waiting < number:
                time.sleep(0.001)
        gate.opened.set()
        return [call.exception() or call.result() for call in calls]


def sizes(folder: Path) -> list[int]:
    return [len(note["rows"]) for note in notes(folder, "batches")]


def test_a_batch_is_filled_from_several_callers(tmp_path: Path, gate) -> None:
    network = gate(tmp_path, batch_size=8)
    queue = BatchQueue(network)
    batches = [frames(0), frames(1, 2, 3), frames(4, 5, 6), frames(7, 8, 9), frames(10, 11)]
    answers = queue_up(queue, network, batches)
    assert [note["rows"] for note in notes(tmp_path, "batches")] == [[0], [1, 2, 3, 4, 5, 6, 7, 8], [9, 10, 11]]
    for given, (got,) in zip(batches, answers, strict=True):
        np.testing.assert_array_equal(got, given[0] * 2)
    queue.close()


def test_a_lone_call_waits_no_longer_than_a_moment(tmp_path: Path) -> None:
    queue = BatchQueue(Doubler(tmp_path, batch_size=64), max_wait_s=0.05)
    start = time.monotonic()
    queue.run(frames(1))
    assert 0.04 < time.monotonic() - start < 0.5
    queue.close()


def test_a_full_batch_does_not_wait(tmp_path: Path) -> None:
    queue = BatchQueue(Doubler(tmp_path, batch_size=2), max_wait_s=5)
    start = time.monotonic()
    queue.run(frames(1, 2))
    assert time.monotonic() - start < 1
    queue.close()


def test_rows_of_other_shapes_and_types_are_batches_of_their_own(tmp_path: Path, gate) -> None:
    network = gate(tmp_path, batch_size=8)
    queue = BatchQueue(network)
    wide, whole = np.full((2, 3, 9), 5, np.float32), np.full((2, 6, 4), 7, np.float64)
    answers = queue_up(queue, network, [frames(0), frames(1), (wide,), (whole,), frames(2)])
    assert [note["rows"] for note in notes(tmp_path, "batches")] == [[0], [1, 2], [5, 5], [7, 7]]
    assert [answer[0].dtype.str for answer in answers] == ["<f4", "<f4", "<f4", "<f8", "<f4"]
    queue.close()


def test_rows_of_any_shape_share_a_ragged_batch() -> None:
    queue = BatchQueue(Reverser())
    given = [np.arange(n) for n in (1, 5, 0, 3, 2, 7)]
    rows, lengths = queue.run((ragged(given),))
    assert lengths.tolist() == [1, 5, 0, 3, 2, 7]
    assert all(np.array_equal(row, one[::-1]) for row, one in zip(rows, given, strict=True))
    queue.close()


def test_a_batch_too_large_for_the_device_is_halved_and_stays_so(tmp_path: Path) -> None:
    queue = BatchQueue(Doubler(tmp_path, batch_size=8, fits=3))
    for _ in range(2):
        (got,) = queue.run(frames(*range(8)))
        np.testing.assert_array_equal(got, frames(*range(8))[0] * 2)
    assert sizes(tmp_path) == [2, 2, 2, 2, 2, 2, 2, 2]  # 8 and 4 were tried once, and never again
    queue.close()


def test_an_error_is_its_own_callers_alone(tmp_path: Path, gate) -> None:
    network = gate(tmp_path, batch_size=8)
    queue = BatchQueue(network)
    answers = queue_up(queue, network, [frames(0), frames(1, 2), frames(3, -1), frames(4)])
    assert isinstance(answers[2], ValueError) and "a row of -1" in str(answers[2])
    assert [answers[i][0][0, 0, 0] for i in (0, 1, 3)] == [0, 2, 8]
    assert queue.run(frames(5))[0][0, 0, 0] == 10  # it goes on
    queue.close()


def test_who_still_waits_when_it_closes_is_told(tmp_path: Path, gate) -> None:
    network = gate(tmp_path)
    queue = BatchQueue(network)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(queue.run, frames(0))
        network.entered.wait(10)
        second = pool.submit(queue.run, frames(1))
        while queue.num_waiting < 1:
            time.sleep(0.001)
        closing = pool.submit(queue.close)
        with pytest.raises(RuntimeError, match="has been closed"):
            second.result(5)
        network.opened.set()
        closing.result(5)
        assert first.result(5)[0][0, 0, 0] == 0
    with pytest.raises(RuntimeError, match="has been closed"):
        queue.run(frames(2))
