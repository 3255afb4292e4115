"""The step that captions a clip."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from fractions import Fraction

import numpy as np

from annotators.captions.config import THRESHOLDS, CaptionConfig
from annotators.captions.flags import score_caption
from annotators.captions.inputs import CaptionInput
from annotators.captions.models.narrated import NarratedCaption
from annotators.network import NO_NETWORKS, Network
from annotators.registry import get_annotator_settings, get_own_settings, load_annotator
from humove.stage import Reject
from pipelines.stages.motion import unpack_motion
from pipelines.stages.pose2d import unpack_pose
from pipelines.stages.records import Record
from pipelines.stages.step import ClipView


class CaptionStep:
    """Frames, keypoints and motion -> Caption. `measure` may run in several threads at once."""

    name = "caption"
    version = "1"
    thresholds = THRESHOLDS
    affects_downstream = False

    def __init__(self, config: CaptionConfig, device: str = "cpu") -> None:
        self.config = config
        self.device = device
        self.num_workers = 1
        """Workers of the build; set before the step is sent to them."""
        self._annotator = None
        self._clips_at_once = 1

    @property
    def concurrency(self) -> int:
        """Clips that one worker has in flight: it prepares the next ones while it waits for a model elsewhere.

        All workers together send `server.parallel` requests to a server at once. A model on a GPU of the build gets as
        many clips as fill a batch.
        """
        server = getattr(get_own_settings("caption", self.config), "server", None)
        if server is not None:
            return max(1, server.parallel // self.num_workers)
        return self._clips_at_once

    def get_settings(self) -> dict:
        settings = get_annotator_settings("caption", self.config)
        limits = {threshold.field for threshold in THRESHOLDS.thresholds}
        return {**settings, "own": {name: value for name, value in settings["own"].items() if name not in limits}}

    def setup(self, networks: Mapping[str, Network] = NO_NETWORKS) -> None:
        network = networks.get("caption")
        self._annotator = load_annotator("caption", self.config, self.device, network)
        self._clips_at_once = 1 if network is None else network.batch_size

    def measure(self, view: ClipView) -> tuple[Record, dict[str, np.ndarray]]:
        frames = view.frames
        start = time.thread_time()
        item = CaptionInput(
            frames=frames,
            pose2d=unpack_pose(view.get_arrays("pose2d")),
            motion=unpack_motion(view.get_arrays("motion")),
            fps=Fraction(frames.fps),
            crop_xyxy=tuple(view.get_record("crop").facts["xyxy"]),
        )
        (caption,) = self._annotator.annotate([item])
        seconds = time.thread_time() - start
        if isinstance(caption, Reject):
            return Record(reject=caption, cpu_s=seconds), {}
        scores = score_caption(caption) if isinstance(caption, NarratedCaption) else {}
        return Record(scores=scores, facts=asdict(caption), cpu_s=seconds), {}

    def judge(self, scores: dict[str, float]) -> Reject | None:
        return THRESHOLDS.judge(scores, self.config)
