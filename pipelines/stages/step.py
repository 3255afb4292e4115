"""One measurement of a clip, and the clip as its measurements see it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from annotators.network import Network
from humove.stage import Reject
from humove.types import Clip
from humove.video.frames import ClipFrames
from pipelines.stages.records import Record, UnitRecords, owner_of


@dataclass(slots=True, kw_only=True)
class ClipView:
    """One clip as its steps see it: the decoded frames, opened when first asked for, and the earlier records."""

    clip: Clip
    records: UnitRecords
    keys: Mapping[str, str]
    """The key of each step's records."""
    open_frames: Callable[[], ClipFrames]
    scratch: Path
    """A folder for files that live as long as a step runs."""
    mp4: bytes = b""
    """What the encode step made."""
    _frames: ClipFrames | None = None
    _arrays: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)

    @property
    def frames(self) -> ClipFrames:
        if self._frames is None:
            self._frames = self.open_frames()
        return self._frames

    @property
    def frames_bytes(self) -> int:
        """What the opened frames take, about."""
        frames = self._frames
        return len(frames) * frames.width * frames.height * 3 // 2 if frames is not None else 0

    def open(self) -> None:
        """Decodes the frames, where that is still to be done."""
        _ = self.frames

    def arrays(self, step: str) -> dict[str, np.ndarray]:
        """The arrays of an earlier step of this clip."""
        if step not in self._arrays:
            self._arrays[step] = self.records.arrays(owner_of(self.clip), step, self.keys[step])
        return self._arrays[step]

    def record(self, step: str) -> Record:
        record = self.records.get(owner_of(self.clip), step, self.keys[step])
        if record is None:
            raise RuntimeError(f"{self.clip.clip_id}: step {step} has no record")
        return record

    def put(self, step: str, record: Record, arrays: dict[str, np.ndarray]) -> None:
        """Keeps what a step has measured."""
        self.records.put(owner_of(self.clip), step, self.keys[step], record, arrays)
        self._arrays[step] = arrays

    def close(self) -> None:
        if self._frames is not None:
            self._frames.close()
            self._frames = None


class Step(Protocol):
    """One measurement of a clip."""

    name: str
    version: str
    # Optional: `feeds = False` marks a step whose measurements no later step uses, so that a change of it measures
    # nothing else again; `bars` are the thresholds on its scores; `concurrency` above 1 says that it mostly waits for
    # somebody else (a served model), and how many clips may wait at once.

    def settings(self) -> dict:
        """All that the measurement depends on beside the clip and the steps before: settings, models, weights."""

    def setup(self, networks: Mapping[str, Network]) -> None:
        """Loads models; called once in each worker. `networks` holds those that run elsewhere, by kind of annotator."""

    def measure(self, view: ClipView) -> tuple[Record, dict[str, np.ndarray]]:
        """The record, and its arrays; a record with `reject` set ends the clip's way, whatever the thresholds."""

    def judge(self, scores: dict[str, float]) -> Reject | None:
        """The verdict under the present thresholds; None where the clip goes on."""


def judge_record(step: Step, record: Record, score_only: bool) -> Reject | None:
    """The verdict on a step's record: preconditions always hold, thresholds only where they are not lifted."""
    if record.reject is not None:
        return record.reject
    return None if score_only else step.judge(record.scores)
