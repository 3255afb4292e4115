"""The step that chooses the stored window: a steady one around the person."""

import time
from collections.abc import Mapping

import numpy as np

from annotators.network import Network
from humove.stage import Reject
from humove.video.crop import CropConfig, choose_window
from pipelines.stages.records import Record
from pipelines.stages.step import ClipView


class CropStep:
    """Track -> window. It decodes nothing."""

    name = "crop"
    version = "1"

    def __init__(self, config: CropConfig) -> None:
        self.config = config

    def get_settings(self) -> dict:
        return self.config.model_dump(mode="json")

    def setup(self, networks: Mapping[str, Network]) -> None:
        """Load nothing."""

    def measure(self, view: ClipView) -> tuple[Record, dict[str, np.ndarray]]:
        start = time.process_time()
        track = view.get_record("track").facts
        boxes = view.get_arrays("track")["boxes_xyxy"]
        crop = choose_window(boxes, track["width"], track["height"], self.config)
        facts = {
            "xyxy": [int(v) for v in crop.xyxy],
            "width": crop.out_width,
            "height": crop.out_height,
        }
        return Record(facts=facts, cpu_s=time.process_time() - start), {}

    def judge(self, scores: dict[str, float]) -> Reject | None:
        return None
