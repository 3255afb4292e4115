"""What a build tells while it runs: one line for the whole job, with what was kept so far and the time left."""

import sys
import time
from collections import Counter
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.text import Text

from humove.duration import duration

_LINE_EVERY_S = 10.0
_RATE_OVER_S = 300.0
"""The rate is that of the last minutes: a job's first ones say little of its last."""


class BuildProgress(Protocol):
    """Told how much there is to do, of each result, and of what happens beside."""

    def begin(self, videos: int, done: int) -> None:
        """There are so many videos, of which so many are done."""

    def advance(self, videos: int, clips: int, kept: int, measured: Counter[str]) -> None:
        """So many videos and clips more are done, so many of these with an encoded video."""

    def set_activity(self, text: str) -> None:
        """What goes on beside the measuring, as in "packing batch 3"; "" for nothing."""

    def say(self, line: str) -> None:
        """A line that stays."""

    def finish(self) -> None:
        """The job has ended, one way or another."""


class Figures:
    """The figures behind the line."""

    def __init__(self) -> None:
        self.videos = self.done = self.clips = self.kept = 0
        self.measured: Counter[str] = Counter()
        self.activity = ""
        self._marks: list[tuple[float, int, int]] = []

    def begin(self, videos: int, done: int) -> None:
        self.videos, self.done = videos, done
        self._marks = [(time.monotonic(), done, 0)]

    def advance(self, videos: int, clips: int, kept: int, measured: Counter[str]) -> None:
        self.done += videos
        self.clips += clips
        self.kept += kept
        self.measured.update(measured)
        now = time.monotonic()
        self._marks.append((now, self.done, self.clips))
        while len(self._marks) > 2 and now - self._marks[1][0] > _RATE_OVER_S:
            self._marks.pop(0)

    def line(self, *, stages: bool) -> str:
        """As in "12 of 56 videos, 80 clips, 21 kept so far, 1.2 clips/s, about 3 min left"."""
        then, done, clips = self._marks[0] if self._marks else (time.monotonic(), 0, 0)
        passed = max(time.monotonic() - then, 1e-3)
        parts = [
            f"{self.done:,} of {self.videos:,} videos, {self.clips:,} clips, {self.kept:,} kept so far",
            f"{(self.clips - clips) / passed:.1f} clips/s",
        ]
        if self.done > done and self.done < self.videos:
            parts.append(f"about {duration((self.videos - self.done) * passed / (self.done - done))} left")
        if self.activity:
            parts.append(self.activity)
        if stages and self.measured:
            parts.append("run: " + ", ".join(f"{name} {count:,}" for name, count in self.measured.items()))
        return ", ".join(parts)


class BuildLine(Figures):
    """A line that is kept up to date on a terminal, and lines now and then elsewhere; both on stderr, so that stdout
    holds results alone. With `stages` it says how often each stage has run."""

    def __init__(self, *, stages: bool = False) -> None:
        super().__init__()
        self._stages = stages
        self._console = Console(stderr=True)
        self._live: Live | None = None
        self._told = 0.0

    def begin(self, videos: int, done: int) -> None:
        super().begin(videos, done)
        self._told = time.monotonic()
        if self._console.is_terminal and self._live is None:
            self._live = Live(console=self._console, get_renderable=self._render, refresh_per_second=2)
            self._live.start()
        self._tell(first=True)

    def advance(self, videos: int, clips: int, kept: int, measured: Counter[str]) -> None:
        super().advance(videos, clips, kept, measured)
        self._tell()

    def set_activity(self, text: str) -> None:
        self.activity = text
        self._tell()

    def say(self, line: str) -> None:
        if self._live is not None:
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def finish(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        elif self.videos:
            self._tell(first=True)
        self.videos = 0

    def _render(self) -> Text:
        return Text(self.line(stages=self._stages))

    def _tell(self, *, first: bool = False) -> None:
        now = time.monotonic()
        if self._live is None and (first or now - self._told >= _LINE_EVERY_S):
            self._told = now
            print(self.line(stages=self._stages), file=sys.stderr, flush=True)
