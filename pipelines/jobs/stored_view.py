"""A stored sample as the view of a clip that steps get."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from humove.types import Clip, Sample, Source, VideoRef
from humove.video.stored import StoredFrames
from pipelines.stages.pose2d import pack_pose
from pipelines.stages.records import Record
from shards.schemas import SampleMeta

_VISIBLE_SCORE = 0.3
"""Keypoints with at least this score determine the person's box."""


@dataclass(slots=True, kw_only=True)
class StoredView:
    """A stored sample with the interface of `pipelines.stages.step.ClipView`: the frames of the mp4, decoded on first
    use, and the full frame as window."""

    clip: Clip
    sample: Sample
    meta: SampleMeta
    scratch: Path
    _frames: StoredFrames | None = None

    @classmethod
    def from_sample(cls, sample: Sample, scratch: Path) -> "StoredView":
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

    def get_arrays(self, step: str) -> dict[str, np.ndarray]:
        """Return the arrays of a step of the build, as far as a sample stores them."""
        if step == "pose2d":
            return pack_pose(self.sample.pose2d)
        if step == "motion":
            return {f.name: getattr(self.sample.motion, f.name) for f in fields(self.sample.motion)}
        if step == "track":
            return _make_track_arrays(self.sample)
        raise KeyError(f"a sample stores no arrays of step {step}")

    def get_record(self, step: str) -> Record:
        """Return the facts of a step of the build, in px of the stored frame."""
        width, height = self.meta.width, self.meta.height
        rate = self.meta.rate
        if step == "track":
            return Record(facts={"fps": [rate.numerator, rate.denominator], "width": width, "height": height})
        if step == "crop":
            return Record(facts={"xyxy": [0, 0, width, height], "width": width, "height": height})
        if step == "caption":
            return Record(facts=self.meta.captions.model_dump())
        raise KeyError(f"a sample stores no record of step {step}")

    def close(self) -> None:
        if self._frames is not None:
            self._frames.close()
            self._frames = None


def _make_track_arrays(sample: Sample) -> dict[str, np.ndarray]:
    """Make boxes around the visible keypoints, a tenth larger on each side, of the frames that have some."""
    visible = sample.pose2d.scores >= _VISIBLE_SCORE
    rows = np.flatnonzero(visible.any(axis=1))
    if not len(rows):
        rows, visible = np.arange(len(visible)), np.ones_like(visible)
    boxes = []
    for row in rows:
        points = sample.pose2d.keypoints[row][visible[row]]
        low, high = points.min(axis=0), points.max(axis=0)
        pad = 0.1 * (high - low)
        boxes.append(np.concatenate([low - pad, high + pad]))
    return {
        "frames": rows.astype(np.int64),
        "boxes_xyxy": np.array(boxes, np.float32),
        "scores": np.ones(len(rows), np.float32),
        "source_frames": sample.motion.source_frames,
    }
