"""The step that measures the technical quality of the stored frames, and overlaid text and watermarks."""

import time
from collections.abc import Mapping

import numpy as np

from annotators.frame_quality.config import FrameQualityConfig
from annotators.frame_quality.measure import THRESHOLDS, judge_frame_quality, measure_frame_quality
from annotators.network import Network
from humove.stage import Reject
from pipelines.stages.records import Record
from pipelines.stages.step import ClipView


class FrameQualityStep:
    """Frames and window -> scores and a verdict."""

    name = "frame_quality"
    version = "1"
    thresholds = THRESHOLDS
    affects_downstream = False

    def __init__(self, config: FrameQualityConfig) -> None:
        self.config = config

    def get_settings(self) -> dict:
        return {"places": self.config.places}

    def setup(self, networks: Mapping[str, Network]) -> None:
        """Load nothing."""

    def measure(self, view: ClipView) -> tuple[Record, dict[str, np.ndarray]]:
        frames = view.frames
        window = view.get_record("crop").facts["xyxy"]
        start = time.process_time()
        scores = measure_frame_quality(frames, window, self.config.places)
        return Record(scores=scores, cpu_s=time.process_time() - start), {}

    def judge(self, scores: dict[str, float]) -> Reject | None:
        return judge_frame_quality(scores, self.config)
