"""Batches for one network from the rows of many callers."""

import threading
import time
from collections import deque
from dataclasses import dataclass, field

from annotators.batches import in_batches, is_out_of_memory
from annotators.network import Columns, Network, count_rows, join_rows, layout, take_rows

_MAX_WAIT_S = 0.004
"""How long a batch that is not full waits for the rows of other callers."""


@dataclass(slots=True, eq=False)
class _Request:
    inputs: Columns
    rows: int
    layout: tuple
    taken: int = 0
    """Rows that are in a batch already."""
    parts: list[Columns] = field(default_factory=list)
    finished: int = 0
    error: Exception | None = None
    done: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some rows of a request, in one batch."""

    request: _Request
    start: int
    stop: int

    @property
    def inputs(self) -> Columns:
        return take_rows(self.request.inputs, self.start, self.stop)


class BatchQueue:
    """Runs a loaded network in a thread of its own. `run` may be called from many threads at once.

    A batch holds rows of one layout, up to the network's batch size, in the order in which they came; the rows of one
    caller may be in several batches. Where the device's memory does not hold a batch it is halved, and stays so.
    """

    def __init__(self, network: Network, max_wait_s: float = _MAX_WAIT_S) -> None:
        self._network = network
        self._size = max(1, network.batch_size)
        self._max_wait_s = max_wait_s
        self._waiting: deque[_Request] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="batches", daemon=True)
        self._thread.start()

    @property
    def num_waiting(self) -> int:
        """Requests that are not in a batch yet, or not as a whole."""
        return len(self._waiting)

    def run(self, inputs: Columns) -> Columns:
        """The network's outputs for these rows, as soon as they are there. Raises what the network raised."""
        request = _Request(inputs=inputs, rows=count_rows(inputs), layout=layout(inputs))
        if request.rows == 0:
            raise ValueError("a batch of no rows")
        with self._changed:
            if self._closed:
                raise RuntimeError("the network has been closed")
            self._waiting.append(request)
            self._changed.notify_all()
        request.done.wait()
        if request.error is not None:
            raise request.error
        return join_rows(request.parts)

    def close(self) -> None:
        """End the thread after the batch that runs; callers whose rows still wait get a RuntimeError."""
        with self._changed:
            self._closed = True
            waiting, self._waiting = list(self._waiting), deque()
            self._changed.notify_all()
        for request in waiting:
            self._fail(request, RuntimeError("the network has been closed"))
        self._thread.join()

    def _serve(self) -> None:
        while (pieces := self._next_batch()) is not None:
            self._run_pieces(pieces)

    def _next_batch(self) -> list[_Piece] | None:
        """The pieces of the next batch, when it is full or has waited long enough; None when closed."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            deadline = time.monotonic() + self._max_wait_s
            while not self._closed and self._rows_at_hand() < self._size:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            return None if self._closed else self._take_pieces()

    def _rows_at_hand(self) -> int:
        """Rows that may share a batch with the first one that waits."""
        first = self._waiting[0].layout
        return sum(request.rows - request.taken for request in self._waiting if request.layout == first)

    def _take_pieces(self) -> list[_Piece]:
        first, room, pieces = self._waiting[0].layout, self._size, []
        for request in list(self._waiting):
            if request.layout != first or room == 0:
                continue
            stop = min(request.rows, request.taken + room)
            pieces.append(_Piece(request, request.taken, stop))
            room -= stop - request.taken
            request.taken = stop
            if stop == request.rows:
                self._waiting.remove(request)
        return pieces

    def _run_pieces(self, pieces: list[_Piece]) -> None:
        try:
            outputs = self._run_rows(join_rows([piece.inputs for piece in pieces]))
        except Exception as error:  # handed to the callers whose rows they are
            if len(pieces) == 1:
                self._fail(pieces[0].request, error)
                return
            for piece in pieces:  # one caller's rows may be at fault: the others' must not suffer
                self._run_pieces([piece])
            return
        start = 0
        for piece in pieces:
            stop = start + piece.stop - piece.start
            self._deliver(piece, take_rows(outputs, start, stop))
            start = stop

    def _run_rows(self, inputs: Columns) -> Columns:
        def run(rows: range) -> list[Columns]:
            try:
                outputs = self._network.run(take_rows(inputs, rows.start, rows.stop))
            except Exception as error:
                if is_out_of_memory(error) and len(rows) > 1:
                    self._size = max(1, len(rows) // 2)  # of the batches to come; in_batches halves this one
                raise
            if count_rows(outputs) != len(rows):
                raise RuntimeError(f"{count_rows(outputs)} rows for a batch of {len(rows)}")
            return [take_rows(outputs, i, i + 1) for i in range(len(rows))]

        return join_rows(in_batches(range(count_rows(inputs)), run, self._size))

    def _deliver(self, piece: _Piece, outputs: Columns) -> None:
        request = piece.request
        request.parts.append(outputs)
        request.finished += piece.stop - piece.start
        if request.finished == request.rows:
            request.done.set()

    def _fail(self, request: _Request, error: Exception) -> None:
        with self._changed:
            if request in self._waiting:
                self._waiting.remove(request)
        request.error = error
        request.done.set()
