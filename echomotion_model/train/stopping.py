"""Being told to stop: a first SIGTERM or Ctrl-C lets the step end, and the run save itself."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopAsked:
    """Whether the run was told to stop."""

    def __init__(self) -> None:
        self._asked = False

    def __bool__(self) -> bool:
        return self._asked

    def ask(self) -> None:
        self._asked = True


@contextmanager
def stop_on_signals(stop: StopAsked) -> Iterator[None]:
    """SIGTERM and SIGINT ask `stop`; a second SIGINT interrupts at once. Does nothing outside the main thread, where
    Python has no signals: whoever runs the loop there asks by itself."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def asked(number: int, frame: FrameType | None) -> None:
        if stop and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.ask()

    try:
        for number in before:
            signal.signal(number, asked)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
