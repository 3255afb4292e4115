"""How good the motion is, by measures that need no truth."""

import time
from collections.abc import Mapping

import numpy as np

from annotators import motion_quality
from annotators.network import Network
from humove.stage import Reject
from humove.types import Landmarks
from pipelines.stages.motion import motion_from_arrays
from pipelines.stages.pose2d import pose_from_arrays
from pipelines.stages.records import Record
from pipelines.stages.step import ClipView


class QualityStep:
    """Motion and keypoints -> scores and a verdict."""

    name = "quality"
    version = "1"
    bars = motion_quality.BARS

    def __init__(self, config: motion_quality.QualityConfig) -> None:
        self.config = config

    def settings(self) -> dict:
        return {}

    def setup(self, networks: Mapping[str, Network]) -> None:
        """Nothing to load."""

    def measure(self, view: ClipView) -> tuple[Record, dict[str, np.ndarray]]:
        start = time.process_time()
        rate = view.record("track").facts["fps"]
        motion = motion_from_arrays(view.arrays("motion"))
        pose = pose_from_arrays(view.arrays("pose2d"))
        landmarks = pose if isinstance(pose, Landmarks) else None
        scores = motion_quality.measure(motion, pose, landmarks, rate[0] / rate[1])
        return Record(scores=scores, cpu_s=time.process_time() - start), {}

    def judge(self, scores: dict[str, float]) -> Reject | None:
        return motion_quality.judge(scores, self.config)
