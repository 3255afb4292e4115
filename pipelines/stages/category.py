"""Which category the pictures show, where the configuration asks a CLIP."""

import time
from collections.abc import Mapping

import numpy as np

from annotators.captions.question import spread
from annotators.categories.config import CategoryConfig
from annotators.network import NO_NETWORKS, Network
from annotators.registry import annotator_settings, load_annotator
from humove.stage import Reject
from pipelines.stages.records import Record
from pipelines.stages.step import ClipView


class CategoryStep:
    """Pictures -> the likeliest class; whether it is taken is decided when the sample is put together."""

    name = "category"
    version = "1"
    feeds = False

    def __init__(self, config: CategoryConfig, device: str = "cpu") -> None:
        self.config = config
        self.device = device
        self._annotator = None

    def settings(self) -> dict:
        return annotator_settings("category", self.config)

    def setup(self, networks: Mapping[str, Network] = NO_NETWORKS) -> None:
        self._annotator = load_annotator("category", self.config, self.device, networks.get("category"))

    def measure(self, view: ClipView) -> tuple[Record, dict[str, np.ndarray]]:
        frames = view.frames
        start = time.process_time()
        shown = list(spread(frames, self.config.clip.frames, tuple(view.record("crop").facts["xyxy"])))
        (likely,) = self._annotator.annotate([shown])
        fine, probability = likely.best
        record = Record(
            scores={"category_probability": probability},
            facts={"fine": fine, "probability": probability},
            cpu_s=time.process_time() - start,
        )
        return record, {"probabilities": likely.probabilities}

    def judge(self, scores: dict[str, float]) -> Reject | None:
        return None
