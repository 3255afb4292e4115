"""The step that classifies the frames by a CLIP model, if the configuration uses one."""

import time
from collections.abc import Mapping

import numpy as np

from annotators.captions.models.question import sample_crops
from annotators.categories.config import CategoryConfig
from annotators.network import NO_NETWORKS, Network
from annotators.registry import get_annotator_settings, load_annotator
from humove.stage import Reject
from pipelines.stages.records import Record
from pipelines.stages.step import ClipView


class CategoryStep:
    """Frames -> the likeliest class. Whether a sample gets it is decided at assembly."""

    name = "category"
    version = "1"
    affects_downstream = False

    def __init__(self, config: CategoryConfig, device: str = "cpu") -> None:
        self.config = config
        self.device = device
        self._annotator = None

    def get_settings(self) -> dict:
        return get_annotator_settings("category", self.config)

    def setup(self, networks: Mapping[str, Network] = NO_NETWORKS) -> None:
        self._annotator = load_annotator("category", self.config, self.device, networks.get("category"))

    def measure(self, view: ClipView) -> tuple[Record, dict[str, np.ndarray]]:
        frames = view.frames
        start = time.process_time()
        crops = list(sample_crops(frames, self.config.clip.frames, tuple(view.get_record("crop").facts["xyxy"])))
        (likely,) = self._annotator.annotate([crops])
        fine, probability = likely.best
        record = Record(
            scores={"category_probability": probability},
            facts={"fine": fine, "probability": probability},
            cpu_s=time.process_time() - start,
        )
        return record, {"probabilities": likely.probabilities}

    def judge(self, scores: dict[str, float]) -> Reject | None:
        return None
