"""The step that encodes the clip's cropped frames by ffmpeg."""

import resource
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from annotators.network import Network
from humove.stage import Reject
from humove.video.encode import EncodeConfig, encode_clip
from pipelines.stages.records import Record
from pipelines.stages.step import ClipView


def measure_cpu_seconds() -> float:
    """Return the CPU seconds of this process and of the encoders that it has run."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in usages)


class EncodeStep:
    """Frames and window -> an mp4, which stays in the ledger until it is packed."""

    name = "encode"
    version = "1"

    def __init__(self, config: EncodeConfig) -> None:
        self.config = config

    def get_settings(self) -> dict:
        return self.config.model_dump(mode="json")

    def setup(self, networks: Mapping[str, Network]) -> None:
        """Load nothing: the encoder is a separate program."""

    def measure(self, view: ClipView) -> tuple[Record, dict[str, np.ndarray]]:
        frames = view.frames
        crop = view.get_record("crop").facts
        start = measure_cpu_seconds()
        with tempfile.TemporaryDirectory(dir=view.scratch, prefix="encode-") as folder:
            target = Path(folder) / "clip.mp4"
            encode_clip(frames, tuple(crop["xyxy"]), crop["width"], crop["height"], target, self.config)
            view.mp4 = target.read_bytes()
        return Record(facts={"bytes": len(view.mp4)}, cpu_s=measure_cpu_seconds() - start), {}

    def judge(self, scores: dict[str, float]) -> Reject | None:
        return None
