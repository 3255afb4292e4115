"""The step that scores how pleasing the stored frames are."""

import time
from collections.abc import Mapping

import numpy as np

from annotators.aesthetic import THRESHOLDS, AestheticConfig, judge_aesthetic
from annotators.network import NO_NETWORKS, Network
from annotators.registry import get_annotator_settings, load_annotator
from humove.stage import Reject
from pipelines.stages.records import Record
from pipelines.stages.step import ClipView


class AestheticStep:
    """Frames and window -> a score and a verdict."""

    name = "aesthetic"
    version = "1"
    thresholds = THRESHOLDS
    affects_downstream = False

    def __init__(self, config: AestheticConfig, device: str) -> None:
        self.config = config
        self.device = device
        self._annotator = None

    def get_settings(self) -> dict:
        return {**get_annotator_settings("aesthetic", self.config), "frames": self.config.frames}

    def setup(self, networks: Mapping[str, Network] = NO_NETWORKS) -> None:
        self._annotator = load_annotator("aesthetic", self.config, self.device, networks.get("aesthetic"))

    def measure(self, view: ClipView) -> tuple[Record, dict[str, np.ndarray]]:
        frames = view.frames
        x0, y0, x1, y1 = view.get_record("crop").facts["xyxy"]
        start = time.process_time()
        count = self.config.frames
        indices = sorted({int((k + 0.5) * len(frames) / count) for k in range(count)})
        (score,) = self._annotator.annotate([[frames.read_rgb(index)[y0:y1, x0:x1] for index in indices]])
        seconds = time.process_time() - start
        if isinstance(score, Reject):
            return Record(reject=score, cpu_s=seconds), {}
        return Record(scores={"aesthetic": float(score)}, cpu_s=seconds), {}

    def judge(self, scores: dict[str, float]) -> Reject | None:
        return judge_aesthetic(scores, self.config)
