"""The step that tracks the main person, and scores whether it is the only one."""

import time
from collections.abc import Mapping
from fractions import Fraction

import numpy as np

from annotators.main_person import THRESHOLDS, TrackConfig, judge_main_person
from annotators.network import NO_NETWORKS, Network
from annotators.registry import get_annotator_settings, load_annotator
from humove.reasons import Reason
from humove.stage import Reject
from pipelines.stages.records import Record
from pipelines.stages.step import ClipView


class TrackStep:
    """Frames -> the main person's track, and scores of how far it is the only one."""

    name = "track"
    version = "1"
    thresholds = THRESHOLDS

    def __init__(self, config: TrackConfig, device: str = "cpu") -> None:
        self.config = config
        self.device = device
        self._annotator = None

    def get_settings(self) -> dict:
        return get_annotator_settings("tracks", self.config)

    def setup(self, networks: Mapping[str, Network] = NO_NETWORKS) -> None:
        self._annotator = load_annotator("tracks", self.config, self.device, networks.get("tracks"))

    def measure(self, view: ClipView) -> tuple[Record, dict[str, np.ndarray]]:
        decode_start = time.process_time()
        frames = view.frames
        start = time.process_time()
        (person,) = self._annotator.annotate([frames])
        end = time.process_time()
        rate = Fraction(frames.fps)
        facts = {
            "fps": [rate.numerator, rate.denominator],
            "width": frames.width,
            "height": frames.height,
            "decode_s": start - decode_start,
        }
        arrays = {"source_frames": frames.source_frames}
        reject = None
        if person.track is None:
            detail = "no person was found on any sampled frame"
            reject = Reject(reason=Reason.NO_PERSON, detail=detail, score=0.0, threshold=self.config.min_person_share)
        else:
            track = person.track
            arrays |= {"frames": track.frames, "boxes_xyxy": track.boxes_xyxy, "scores": track.scores}
        return Record(scores=person.scores, facts=facts, reject=reject, cpu_s=end - start), arrays

    def judge(self, scores: dict[str, float]) -> Reject | None:
        return judge_main_person(scores, self.config)
