"""The interface of a clip's steps, and the view of a clip that they get."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from annotators.network import Network
from humove.stage import Reject
from humove.types import Clip
from humove.video.frames import ClipFrames
from pipelines.stages.records import Record, UnitRecords, make_owner_name


@dataclass(slots=True, kw_only=True)
class ClipView:
    """One clip for its steps: the decoded frames, opened on first use, and the earlier records."""

    clip: Clip
    records: UnitRecords
    keys: Mapping[str, str]
    """The key of each step's records."""
    open_frames: Callable[[], ClipFrames]
    scratch: Path
    """A folder for temporary files of a step."""
    mp4: bytes = b""
    """The encode step's output."""
    _frames: ClipFrames | None = None
    _arrays: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)

    @property
    def frames(self) -> ClipFrames:
        if self._frames is None:
            self._frames = self.open_frames()
        return self._frames

    @property
    def frames_bytes(self) -> int:
        """The approximate memory of the opened frames."""
        frames = self._frames
        return len(frames) * frames.width * frames.height * 3 // 2 if frames is not None else 0

    def open(self) -> None:
        """Decode the frames, unless that is done."""
        _ = self.frames

    def get_arrays(self, step: str) -> dict[str, np.ndarray]:
        """Return the arrays of an earlier step of this clip."""
        if step not in self._arrays:
            self._arrays[step] = self.records.read_arrays(make_owner_name(self.clip), step, self.keys[step])
        return self._arrays[step]

    def get_record(self, step: str) -> Record:
        record = self.records.get(make_owner_name(self.clip), step, self.keys[step])
        if record is None:
            raise RuntimeError(f"{self.clip.clip_id}: step {step} has no record")
        return record

    def put_record(self, step: str, record: Record, arrays: dict[str, np.ndarray]) -> None:
        """Store a step's measurements."""
        self.records.put_record(make_owner_name(self.clip), step, self.keys[step], record, arrays)
        self._arrays[step] = arrays

    def close(self) -> None:
        if self._frames is not None:
            self._frames.close()
            self._frames = None


class Step(Protocol):
    """One measurement of a clip."""

    name: str
    version: str
    # Optional: `affects_downstream = False` if no later step uses the measurements, so that a change of the step
    # measures nothing else again; `thresholds` on its scores; `concurrency` above 1 if it mostly waits for a served
    # model: the number of clips that may wait at once.

    def get_settings(self) -> dict:
        """Return all that the measurement depends on besides the clip and earlier steps: settings, models, weights."""

    def setup(self, networks: Mapping[str, Network]) -> None:
        """Load models; called once per worker. `networks` holds those that run elsewhere, by kind of annotator."""

    def measure(self, view: ClipView) -> tuple[Record, dict[str, np.ndarray]]:
        """Return the record and its arrays; a record with `reject` set ends the clip, whatever the thresholds."""

    def judge(self, scores: dict[str, float]) -> Reject | None:
        """Judge scores by the present thresholds; None if the clip passes."""


def judge_record(step: Step, record: Record, score_only: bool) -> Reject | None:
    """Judge a step's record: by preconditions always, by thresholds unless `score_only`."""
    if record.reject is not None:
        return record.reject
    return None if score_only else step.judge(record.scores)
