"""The step that scores the motion by measures that need no ground truth."""

import time
from collections.abc import Mapping

import numpy as np

from annotators.motion_quality.config import THRESHOLDS, QualityConfig, judge_motion
from annotators.network import Network
from humove.stage import Reject
from humove.types import Landmarks
from pipelines.stages.motion import unpack_motion
from pipelines.stages.pose2d import unpack_pose
from pipelines.stages.records import Record
from pipelines.stages.step import ClipView


class QualityStep:
    """Motion and keypoints -> scores and a verdict."""

    name = "quality"
    version = "1"
    thresholds = THRESHOLDS

    def __init__(self, config: QualityConfig) -> None:
        self.config = config

    def get_settings(self) -> dict:
        return {}

    def setup(self, networks: Mapping[str, Network]) -> None:
        """Load nothing."""

    def measure(self, view: ClipView) -> tuple[Record, dict[str, np.ndarray]]:
        from annotators.motion_quality.measure import measure_motion  # imports torch, which the driver does without

        start = time.process_time()
        rate = view.get_record("track").facts["fps"]
        motion = unpack_motion(view.get_arrays("motion"))
        pose = unpack_pose(view.get_arrays("pose2d"))
        landmarks = pose if isinstance(pose, Landmarks) else None
        scores = measure_motion(motion, pose, landmarks, rate[0] / rate[1])
        return Record(scores=scores, cpu_s=time.process_time() - start), {}

    def judge(self, scores: dict[str, float]) -> Reject | None:
        return judge_motion(scores, self.config)
