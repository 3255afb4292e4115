"""The steps of a clip: each measures once, and its verdict is a pure function of what was measured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from humove.ids import settings_hash
from humove.stage import Reject
from humove.types import Clip
from humove.video.frames import ClipFrames
from pipelines.ledger import Place, Record


@dataclass(slots=True, kw_only=True)
class ClipView:
    """One clip as its steps see it: the decoded frames, opened when first asked for, and the earlier records."""

    clip: Clip
    place: Place
    keys: dict[str, str]
    """The ledger key of each step."""
    open_frames: Callable[[], ClipFrames]
    _frames: ClipFrames | None = None
    _arrays: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)

    @property
    def frames(self) -> ClipFrames:
        if self._frames is None:
            self._frames = self.open_frames()
        return self._frames

    def arrays(self, step: str) -> dict[str, np.ndarray]:
        """The arrays of an earlier step of this clip."""
        if step not in self._arrays:
            self._arrays[step] = self.place.arrays(step, self.keys[step])
        return self._arrays[step]

    def record(self, step: str) -> Record:
        record = self.place.read(step, self.keys[step])
        if record is None:
            raise RuntimeError(f"{self.clip.clip_id}: step {step} has no record")
        return record

    def file(self, step: str, suffix: str) -> Path:
        return self.place.file(step, self.keys[step], suffix)

    def close(self) -> None:
        if self._frames is not None:
            self._frames.close()
            self._frames = None


class Step(Protocol):
    """One measurement of a clip."""

    name: str
    version: str
    # `feeds = False` marks a step whose measurements no later step uses; see Link.

    def settings(self) -> dict:
        """All that the measurement depends on beside the clip and the steps before: settings, models, weights."""

    def setup(self) -> None:
        """Loads models; called once in each worker."""

    def measure(self, view: ClipView) -> tuple[Record, dict[str, np.ndarray]]:
        """The record, and its arrays; a record with `reject` set ends the clip's way, whatever the thresholds."""

    def judge(self, scores: dict[str, float]) -> Reject | None:
        """The verdict under the present thresholds; None where the clip goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A step in the chain of keys."""

    name: str
    digest: str
    """Names the step, its version and its settings."""
    feeds: bool = True
    """Whether later steps use what it measures; where none does, a change of it measures nothing else again."""


def step_keys(chain: Sequence[Link], clip: Clip) -> dict[str, str]:
    """The ledger key of each step of this clip: a chain, so that a change of one step renames all that use it."""
    before = settings_hash([clip.video.video_id, clip.start_frame, clip.end_frame])
    keys = {}
    for link in chain:
        keys[link.name] = settings_hash([before, link.digest])
        before = keys[link.name] if link.feeds else before
    return keys
