"""What is said of the clip."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from fractions import Fraction

import numpy as np

from annotators.captions.config import BARS, CaptionConfig
from annotators.captions.flags import flags
from annotators.captions.inputs import CaptionInput
from annotators.captions.narrated import NarratedCaption
from annotators.network import NO_NETWORKS, Network
from annotators.registry import annotator_settings, load_annotator, own_settings
from humove.stage import Reject
from pipelines.stages.motion import motion_from_arrays
from pipelines.stages.pose2d import pose_from_arrays
from pipelines.stages.records import Record
from pipelines.stages.step import ClipView


class CaptionStep:
    """Pictures, keypoints and motion -> Caption. `measure` may run in several threads at once."""

    name = "caption"
    version = "1"
    bars = BARS
    feeds = False

    def __init__(self, config: CaptionConfig, device: str = "cpu") -> None:
        self.config = config
        self.device = device
        self.num_workers = 1
        """Of the build: whoever runs it sets it, before the step goes to them."""
        self._annotator = None
        self._clips_at_once = 1

    @property
    def concurrency(self) -> int:
        """The clips that one worker has in flight: while it waits for a model elsewhere, it can prepare the next.

        A server is asked for `server.parallel` captions at once by all workers together; a model on a GPU of the build
        is given as many clips as fill a batch.
        """
        server = getattr(own_settings("caption", self.config), "server", None)
        if server is not None:
            return max(1, server.parallel // self.num_workers)
        return self._clips_at_once

    def settings(self) -> dict:
        named = annotator_settings("caption", self.config)
        judged = {bar.field for bar in BARS.bars}
        return {**named, "own": {name: value for name, value in named["own"].items() if name not in judged}}

    def setup(self, networks: Mapping[str, Network] = NO_NETWORKS) -> None:
        network = networks.get("caption")
        self._annotator = load_annotator("caption", self.config, self.device, network)
        self._clips_at_once = 1 if network is None else network.batch_size

    def measure(self, view: ClipView) -> tuple[Record, dict[str, np.ndarray]]:
        frames = view.frames
        start = time.thread_time()
        item = CaptionInput(
            frames=frames,
            pose2d=pose_from_arrays(view.arrays("pose2d")),
            motion=motion_from_arrays(view.arrays("motion")),
            fps=Fraction(frames.fps),
            crop_xyxy=tuple(view.record("crop").facts["xyxy"]),
        )
        (caption,) = self._annotator.annotate([item])
        seconds = time.thread_time() - start
        if isinstance(caption, Reject):
            return Record(reject=caption, cpu_s=seconds), {}
        scores = flags(caption) if isinstance(caption, NarratedCaption) else {}
        return Record(scores=scores, facts=asdict(caption), cpu_s=seconds), {}

    def judge(self, scores: dict[str, float]) -> Reject | None:
        return BARS.judge(scores, self.config)
