"""The picture that is stored: how well it is recorded, and what lies over it."""

import time
from collections.abc import Mapping

import numpy as np

from annotators.network import Network
from annotators.picture.config import PictureConfig
from annotators.picture.measure import BARS, judge, measure
from humove.stage import Reject
from pipelines.stages.records import Record
from pipelines.stages.step import ClipView


class PictureStep:
    """Frames and window -> scores and a verdict."""

    name = "picture"
    version = "1"
    bars = BARS
    feeds = False

    def __init__(self, config: PictureConfig) -> None:
        self.config = config

    def settings(self) -> dict:
        return {"places": self.config.places}

    def setup(self, networks: Mapping[str, Network]) -> None:
        """Nothing to load."""

    def measure(self, view: ClipView) -> tuple[Record, dict[str, np.ndarray]]:
        frames = view.frames
        window = view.record("crop").facts["xyxy"]
        start = time.process_time()
        scores = measure(frames, window, self.config.places)
        return Record(scores=scores, cpu_s=time.process_time() - start), {}

    def judge(self, scores: dict[str, float]) -> Reject | None:
        return judge(scores, self.config)
