"""Stopping a run: after a first SIGTERM or Ctrl-C the run finishes its step and saves."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequested:
    """A flag that asks the run to stop."""

    def __init__(self) -> None:
        self._requested = False

    def __bool__(self) -> bool:
        return self._requested

    def request(self) -> None:
        self._requested = True


@contextmanager
def stop_on_signals(stop: StopRequested) -> Iterator[None]:
    """Set `stop` on SIGTERM and SIGINT; a second SIGINT interrupts at once.

    Does nothing outside the main thread, where Python delivers no signals: the caller must set `stop` there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def handle_signal(number: int, frame: FrameType | None) -> None:
        if stop and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.request()

    try:
        for number in before:
            signal.signal(number, handle_signal)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
