"""A queue that combines the rows of many callers into batches for one network."""

import threading
import time
from collections import deque
from dataclasses import dataclass, field

from annotators.batches import is_out_of_memory, run_in_batches
from annotators.network import Columns, Network, count_rows, get_layout, join_rows, take_rows

_MAX_WAIT_S = 0.004
"""How long a partial batch waits for rows of other callers."""


@dataclass(slots=True, eq=False)
class _Request:
    inputs: Columns
    rows: int
    layout: tuple
    taken: int = 0
    """The number of rows already in a batch."""
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
    """A loaded network in its own thread. `run` may be called from many threads at once.

    A batch holds rows of one layout, up to the network's batch size, in order of arrival; the rows of one caller may be
    in several batches. The batch size is halved for good when the device runs out of memory.
    """

    def __init__(self, network: Network, max_wait_s: float = _MAX_WAIT_S) -> None:
        self._network = network
        self._size = max(1, network.batch_size)
        self._max_wait_s = max_wait_s
        self._waiting: deque[_Request] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run_batches, name="batches", daemon=True)
        self._thread.start()

    @property
    def num_waiting(self) -> int:
        """The number of requests with rows that are not in a batch yet."""
        return len(self._waiting)

    def run(self, inputs: Columns) -> Columns:
        """Return the network's outputs for these rows. Raises the exception of the network."""
        request = _Request(inputs=inputs, rows=count_rows(inputs), layout=get_layout(inputs))
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
        """End the thread after the running batch; callers with waiting rows get a RuntimeError."""
        with self._changed:
            self._closed = True
            waiting, self._waiting = list(self._waiting), deque()
            self._changed.notify_all()
        for request in waiting:
            self._fail_request(request, RuntimeError("the network has been closed"))
        self._thread.join()

    def _run_batches(self) -> None:
        while (pieces := self._wait_for_batch()) is not None:
            self._run_pieces(pieces)

    def _wait_for_batch(self) -> list[_Piece] | None:
        """Return the pieces of the next batch once it is full or has waited long enough; None when closed."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            deadline = time.monotonic() + self._max_wait_s
            while not self._closed and self._count_batchable_rows() < self._size:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            return None if self._closed else self._take_pieces()

    def _count_batchable_rows(self) -> int:
        """Return the number of rows that may share a batch with the first waiting one."""
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
        except Exception as error:  # raised in the callers of these rows
            if len(pieces) == 1:
                self._fail_request(pieces[0].request, error)
                return
            for piece in pieces:  # one caller's rows may be the cause: run each caller's alone
                self._run_pieces([piece])
            return
        start = 0
        for piece in pieces:
            stop = start + piece.stop - piece.start
            self._deliver_outputs(piece, take_rows(outputs, start, stop))
            start = stop

    def _run_rows(self, inputs: Columns) -> Columns:
        def run_range(rows: range) -> list[Columns]:
            try:
                outputs = self._network.run(take_rows(inputs, rows.start, rows.stop))
            except Exception as error:
                if is_out_of_memory(error) and len(rows) > 1:
                    self._size = max(1, len(rows) // 2)  # for later batches; run_in_batches halves this one
                raise
            if count_rows(outputs) != len(rows):
                raise RuntimeError(f"{count_rows(outputs)} rows for a batch of {len(rows)}")
            return [take_rows(outputs, i, i + 1) for i in range(len(rows))]

        return join_rows(run_in_batches(range(count_rows(inputs)), run_range, self._size))

    def _deliver_outputs(self, piece: _Piece, outputs: Columns) -> None:
        request = piece.request
        request.parts.append(outputs)
        request.finished += piece.stop - piece.start
        if request.finished == request.rows:
            request.done.set()

    def _fail_request(self, request: _Request, error: Exception) -> None:
        with self._changed:
            if request in self._waiting:
                self._waiting.remove(request)
        request.error = error
        request.done.set()
