"""The stored video: the clip's frames, cropped, through ffmpeg."""

import resource

import numpy as np

from humove.atomic import replacing
from humove.stage import Reject
from humove.video.encode import EncodeConfig, encode
from pipelines.ledger import Record
from pipelines.stages.step import ClipView


def cpu_seconds() -> float:
    """CPU seconds of this process and of the encoders that it has run."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in usages)


class EncodeStep:
    """Frames and window -> an mp4 in the ledger, until assembly packs it."""

    name = "encode"
    version = "1"

    def __init__(self, config: EncodeConfig) -> None:
        self.config = config

    def settings(self) -> dict:
        return self.config.model_dump(mode="json")

    def setup(self) -> None:
        """Nothing to load: the encoder is a program of its own."""

    def measure(self, view: ClipView) -> tuple[Record, dict[str, np.ndarray]]:
        frames = view.frames
        crop = view.record("crop").facts
        start = cpu_seconds()
        target = view.file(self.name, "mp4")
        with replacing(target) as temporary:
            encode(frames, tuple(crop["xyxy"]), crop["width"], crop["height"], temporary, self.config)
        return Record(facts={"bytes": target.stat().st_size}, cpu_s=cpu_seconds() - start), {}

    def judge(self, scores: dict[str, float]) -> Reject | None:
        return None
