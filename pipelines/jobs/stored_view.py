"""A stored sample as the steps of a clip see it."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from humove.types import Clip, Sample, Source, VideoRef
from humove.video.stored import StoredFrames
from pipelines.stages.pose2d import pose_arrays
from pipelines.stages.records import Record
from shards.documents import SampleMeta

_SEEN = 0.3
"""Keypoints from this score on make the person's box."""


@dataclass(slots=True, kw_only=True)
class StoredView:
    """A stored sample in the shape of `pipelines.stages.step.ClipView`: its frames are the mp4's, decoded when first
    asked for, and its window is all of them."""

    clip: Clip
    sample: Sample
    meta: SampleMeta
    scratch: Path
    _frames: StoredFrames | None = None

    @classmethod
    def of(cls, sample: Sample, scratch: Path) -> "StoredView":
        meta = SampleMeta.model_validate(sample.meta)
        video = VideoRef(
            video_id=meta.video_id,
            uri=meta.uri,
            width=meta.width,
            height=meta.height,
            fps=meta.rate,
            num_frames=meta.span.end_frame,
            source=Source(**meta.rights.model_dump()),
        )
        clip = Clip(
            clip_id=sample.key,
            video=video,
            shot_index=meta.shot_index,
            start_frame=meta.span.start_frame,
            end_frame=meta.span.end_frame,
        )
        return cls(clip=clip, sample=sample, meta=meta, scratch=scratch)

    @property
    def frames(self) -> StoredFrames:
        if self._frames is None:
            self._frames = StoredFrames(
                self.sample.mp4,
                fps=self.meta.rate,
                source_frames=self.sample.motion.source_frames,
                scratch=self.scratch,
            )
        return self._frames

    def arrays(self, step: str) -> dict[str, np.ndarray]:
        """What the build's step of that name measured, as far as a sample keeps it."""
        if step == "pose2d":
            return pose_arrays(self.sample.pose2d)
        if step == "motion":
            return {f.name: getattr(self.sample.motion, f.name) for f in fields(self.sample.motion)}
        if step == "track":
            return _track_arrays(self.sample)
        raise KeyError(f"a sample keeps no arrays of step {step}")

    def record(self, step: str) -> Record:
        """The facts of a build's step, of the stored picture."""
        width, height = self.meta.width, self.meta.height
        rate = self.meta.rate
        if step == "track":
            return Record(facts={"fps": [rate.numerator, rate.denominator], "width": width, "height": height})
        if step == "crop":
            return Record(facts={"xyxy": [0, 0, width, height], "width": width, "height": height})
        if step == "caption":
            return Record(facts=self.meta.captions.model_dump())
        raise KeyError(f"a sample keeps no record of step {step}")

    def close(self) -> None:
        if self._frames is not None:
            self._frames.close()
            self._frames = None


def _track_arrays(sample: Sample) -> dict[str, np.ndarray]:
    """The person's boxes around the keypoints that are seen, a tenth larger on each side; of frames that show some."""
    seen = sample.pose2d.scores >= _SEEN
    rows = np.flatnonzero(seen.any(axis=1))
    if not len(rows):
        rows, seen = np.arange(len(seen)), np.ones_like(seen)
    boxes = []
    for row in rows:
        points = sample.pose2d.keypoints[row][seen[row]]
        low, high = points.min(axis=0), points.max(axis=0)
        pad = 0.1 * (high - low)
        boxes.append(np.concatenate([low - pad, high + pad]))
    return {
        "frames": rows.astype(np.int64),
        "boxes_xyxy": np.array(boxes, np.float32),
        "scores": np.ones(len(rows), np.float32),
        "source_frames": sample.motion.source_frames,
    }
