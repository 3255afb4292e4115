"""What is said of the clip."""

import time
from dataclasses import asdict
from fractions import Fraction

import numpy as np

from annotators.captions.config import BARS, CaptionConfig
from annotators.captions.flags import flags
from annotators.captions.inputs import CaptionInput
from annotators.captions.narrated import NarratedCaption
from annotators.registry import annotator_settings, load_annotator
from humove.stage import Reject
from humove.types import SmplMotion
from pipelines.ledger import Record
from pipelines.stages.pose2d import pose_from_arrays
from pipelines.stages.step import ClipView


class CaptionStep:
    """Pictures, keypoints and motion -> Caption."""

    name = "caption"
    version = "1"
    feeds = False

    def __init__(self, config: CaptionConfig, device: str = "cpu") -> None:
        self.config = config
        self.device = device
        self._annotator = None

    def settings(self) -> dict:
        named = annotator_settings("caption", self.config)
        judged = {bar.field for bar in BARS.bars}
        return {**named, "own": {name: value for name, value in named["own"].items() if name not in judged}}

    def setup(self) -> None:
        self._annotator = load_annotator("caption", self.config, self.device)

    def measure(self, view: ClipView) -> tuple[Record, dict[str, np.ndarray]]:
        frames = view.frames
        start = time.process_time()
        item = CaptionInput(
            frames=frames,
            pose2d=pose_from_arrays(view.arrays("pose2d")),
            motion=SmplMotion(**view.arrays("motion")),
            fps=Fraction(frames.fps),
            crop_xyxy=tuple(view.record("crop").facts["xyxy"]),
        )
        (caption,) = self._annotator.annotate([item])
        seconds = time.process_time() - start
        if isinstance(caption, Reject):
            return Record(reject=caption, cpu_s=seconds), {}
        scores = flags(caption) if isinstance(caption, NarratedCaption) else {}
        return Record(scores=scores, facts=asdict(caption), cpu_s=seconds), {}

    def judge(self, scores: dict[str, float]) -> Reject | None:
        return BARS.judge(scores, self.config)
