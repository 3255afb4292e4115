"""Progress of a long job: a bar per stage with the time left, or, without a terminal, occasional lines."""

import sys
import time
from collections import Counter
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from humove.duration import format_duration

_LINE_EVERY_S = 10.0


class Reporter(Protocol):
    """A receiver of progress: the start of a stage, each finished item, the end, and messages."""

    def start(self, stage: str, items: int, weight: float) -> None: ...

    def advance(self, weight: float, outcome: str) -> None: ...

    def finish(self) -> None: ...

    def say(self, line: str) -> None: ...


def make_reporter() -> Reporter:
    """Make a reporter that prints bars on a terminal, lines elsewhere; on stderr, as stdout holds results."""
    return _BarReporter() if sys.stderr.isatty() else _LineReporter()


def _format_counts(counts: Counter) -> str:
    return ", ".join(f"{n} {name}" for name, n in sorted(counts.items()))


class _BarReporter:
    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bars: Progress | None = None

    def start(self, stage: str, items: int, weight: float) -> None:
        self._counts: Counter = Counter()
        self._bars = Progress(
            TextColumn("{task.description:<12}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[counts]}"),
            console=self._console,
        )
        self._bars.start()
        self._task = self._bars.add_task(stage, total=weight, counts=f"{items} to do")

    def advance(self, weight: float, outcome: str) -> None:
        self._counts[outcome] += 1
        self._bars.update(self._task, advance=weight, counts=_format_counts(self._counts))

    def finish(self) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class _LineReporter:
    _items = 0

    def start(self, stage: str, items: int, weight: float) -> None:
        self._stage, self._items, self._weight = stage, items, weight
        self._counts: Counter = Counter()
        self._done = 0.0
        self._began = self._reported = time.monotonic()
        self.say(f"{stage}: {items} to do")

    def advance(self, weight: float, outcome: str) -> None:
        self._counts[outcome] += 1
        self._done += weight
        now = time.monotonic()
        if now - self._reported >= _LINE_EVERY_S:
            self._reported = now
            share = self._done / self._weight if self._weight else 1.0
            left = (now - self._began) * (1 / share - 1) if share > 0 else 0.0
            self.say(f"{self._stage}: {share:.0%}, {_format_counts(self._counts)}, about {format_duration(left)} left")

    def finish(self) -> None:
        if self._items:
            took = time.monotonic() - self._began
            self.say(f"{self._stage}: done in {format_duration(took)}: {_format_counts(self._counts) or 'nothing'}")
        self._items = 0

    def say(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)
