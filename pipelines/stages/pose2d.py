"""Keypoints of the main person on every frame."""

import time
from dataclasses import fields

import numpy as np

from annotators.registry import annotator_settings, load_annotator
from humove.config import Strict
from humove.stage import Reject
from humove.types import Landmarks, PersonTrack, Pose2D
from pipelines.ledger import Record
from pipelines.stages.step import ClipView


class Pose2DConfig(Strict):
    """Which model gives the keypoints."""

    annotator: str = "blazepose"


def track_of(view: ClipView) -> PersonTrack:
    arrays = view.arrays("track")
    return PersonTrack(**{name: arrays[name] for name in ("frames", "boxes_xyxy", "scores")})


def pose_arrays(pose: Pose2D) -> dict[str, np.ndarray]:
    rows = {f.name: getattr(pose, f.name) for f in fields(pose)}
    return {**rows, "names": np.array(rows["names"]), "skeleton": np.array(rows["skeleton"])}


def pose_from_arrays(arrays: dict[str, np.ndarray]) -> Pose2D:
    """Landmarks where the model gave metric 3D as well, else Pose2D."""
    kind = Landmarks if "world" in arrays else Pose2D
    named = {"names": tuple(str(n) for n in arrays["names"]), "skeleton": str(arrays["skeleton"])}
    return kind(**{**arrays, **named})


class Pose2DStep:
    """Frames and track -> Pose2D, px of the decoded clip."""

    name = "pose2d"
    version = "1"

    def __init__(self, config: Pose2DConfig, device: str = "cpu") -> None:
        self.config = config
        self.device = device
        self._annotator = None

    def settings(self) -> dict:
        return annotator_settings("pose2d", self.config)

    def setup(self) -> None:
        self._annotator = load_annotator("pose2d", self.config, self.device)

    def measure(self, view: ClipView) -> tuple[Record, dict[str, np.ndarray]]:
        frames = view.frames
        track = track_of(view)
        start = time.process_time()
        (pose,) = self._annotator.annotate([(frames, track)])
        seconds = time.process_time() - start
        if isinstance(pose, Reject):
            return Record(reject=pose, cpu_s=seconds), {}
        return Record(cpu_s=seconds), pose_arrays(pose)

    def judge(self, scores: dict[str, float]) -> Reject | None:
        return None
