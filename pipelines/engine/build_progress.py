"""The progress of a build: one line with the videos and clips done, the clips kept, and the time left."""

import sys
import time
from collections import Counter
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.text import Text

from humove.duration import format_duration

_LINE_EVERY_S = 10.0
_RATE_OVER_S = 300.0
"""The window of the rate: the first minutes of a job do not predict the last ones."""


class BuildProgress(Protocol):
    """A receiver of a build's totals, results and messages."""

    def begin(self, videos: int, done: int) -> None:
        """Start with the total number of videos and the number that is done."""

    def advance(self, videos: int, clips: int, kept: int, measured: Counter[str]) -> None:
        """Add videos and clips that are done, the clips with an encoded video, and the runs of each stage."""

    def set_activity(self, text: str) -> None:
        """Set what runs beside the measuring, as in "packing batch 3"; "" for nothing."""

    def say(self, line: str) -> None:
        """Print a line that stays."""

    def finish(self) -> None:
        """End the display, after success or failure."""


class ProgressCounts:
    """The counts that the progress line shows."""

    def __init__(self) -> None:
        self.videos = self.done = self.clips = self.kept = 0
        self.measured: Counter[str] = Counter()
        self.activity = ""
        self._history: list[tuple[float, int, int]] = []

    def begin(self, videos: int, done: int) -> None:
        self.videos, self.done = videos, done
        self._history = [(time.monotonic(), done, 0)]

    def advance(self, videos: int, clips: int, kept: int, measured: Counter[str]) -> None:
        self.done += videos
        self.clips += clips
        self.kept += kept
        self.measured.update(measured)
        now = time.monotonic()
        self._history.append((now, self.done, self.clips))
        while len(self._history) > 2 and now - self._history[1][0] > _RATE_OVER_S:
            self._history.pop(0)

    def format_line(self, *, stages: bool) -> str:
        """Return the line, as in "12 of 56 videos, 80 clips, 21 kept so far, 1.2 clips/s, about 3 min left"."""
        then, done, clips = self._history[0] if self._history else (time.monotonic(), 0, 0)
        passed = max(time.monotonic() - then, 1e-3)
        parts = [
            f"{self.done:,} of {self.videos:,} videos, {self.clips:,} clips, {self.kept:,} kept so far",
            f"{(self.clips - clips) / passed:.1f} clips/s",
        ]
        if self.done > done and self.done < self.videos:
            parts.append(f"about {format_duration((self.videos - self.done) * passed / (self.done - done))} left")
        if self.activity:
            parts.append(self.activity)
        if stages and self.measured:
            parts.append("run: " + ", ".join(f"{name} {count:,}" for name, count in self.measured.items()))
        return ", ".join(parts)


class ProgressLine(ProgressCounts):
    """A live line on a terminal, and a line every few seconds elsewhere; on stderr: stdout holds results.

    With `stages` it counts the runs of each stage.
    """

    def __init__(self, *, stages: bool = False) -> None:
        super().__init__()
        self._stages = stages
        self._console = Console(stderr=True)
        self._live: Live | None = None
        self._printed_at = 0.0

    def begin(self, videos: int, done: int) -> None:
        super().begin(videos, done)
        self._printed_at = time.monotonic()
        if self._console.is_terminal and self._live is None:
            self._live = Live(console=self._console, get_renderable=self._render_line, refresh_per_second=2)
            self._live.start()
        self._print_line(first=True)

    def advance(self, videos: int, clips: int, kept: int, measured: Counter[str]) -> None:
        super().advance(videos, clips, kept, measured)
        self._print_line()

    def set_activity(self, text: str) -> None:
        self.activity = text
        self._print_line()

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
            self._print_line(first=True)
        self.videos = 0

    def _render_line(self) -> Text:
        return Text(self.format_line(stages=self._stages))

    def _print_line(self, *, first: bool = False) -> None:
        now = time.monotonic()
        if self._live is None and (first or now - self._printed_at >= _LINE_EVERY_S):
            self._printed_at = now
            print(self.format_line(stages=self._stages), file=sys.stderr, flush=True)
