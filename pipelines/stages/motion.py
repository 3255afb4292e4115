"""SMPL motion of the clip, in the camera of the decoded picture."""

import time
from dataclasses import fields

import numpy as np
from pydantic import Field

from annotators.landmark_fit.clip import MotionInput
from annotators.landmark_fit.config import LandmarkFitConfig
from annotators.registry import annotator_settings, load_annotator
from humove.camera import intrinsics_from_fov
from humove.config import Strict
from humove.stage import Reject
from humove.types import SmplMotion
from pipelines.ledger import Record
from pipelines.stages.pose2d import pose_from_arrays
from pipelines.stages.step import ClipView


class MotionConfig(Strict):
    """Which model gives the motion, and through which camera."""

    annotator: str = "landmark_fit"
    field_of_view_deg: float = Field(
        55.0, gt=5, lt=150, description="angle of view over the longer side, assumed where nothing better is known"
    )
    landmark_fit: LandmarkFitConfig = LandmarkFitConfig()


def motion_arrays(motion: SmplMotion) -> dict[str, np.ndarray]:
    return {f.name: getattr(motion, f.name) for f in fields(motion)}


class MotionStep:
    """Pose2D -> SmplMotion."""

    name = "motion"
    version = "1"

    def __init__(self, config: MotionConfig, device: str = "cpu") -> None:
        self.config = config
        self.device = device
        self._annotator = None

    def settings(self) -> dict:
        return {
            **annotator_settings("motion", self.config),
            "field_of_view_deg": self.config.field_of_view_deg,
        }

    def setup(self) -> None:
        self._annotator = load_annotator("motion", self.config, self.device)

    def measure(self, view: ClipView) -> tuple[Record, dict[str, np.ndarray]]:
        track = view.record("track").facts
        source_frames = view.arrays("track")["source_frames"]
        start = time.process_time()
        item = MotionInput(
            landmarks=pose_from_arrays(view.arrays("pose2d")),
            fps=float(track["fps"][0] / track["fps"][1]),
            width=track["width"],
            height=track["height"],
            intrinsics=intrinsics_from_fov(track["width"], track["height"], self.config.field_of_view_deg),
            source_frames=source_frames,
        )
        (motion,) = self._annotator.annotate([item])
        seconds = time.process_time() - start
        if isinstance(motion, Reject):
            return Record(reject=motion, cpu_s=seconds), {}
        return Record(cpu_s=seconds), motion_arrays(motion)

    def judge(self, scores: dict[str, float]) -> Reject | None:
        return None
