"""The main person's boxes, by BlazePose."""

from collections.abc import Sequence

from annotators.blazepose.people import PeopleFinder
from annotators.main_person import Frames, MainPerson, SamplingConfig, measure


class BlazePoseTracks:
    """Finds everyone on some frames of a clip and follows the main person."""

    name = "blazepose"
    version = "1"
    licence = "Apache-2.0"
    rights = "permissive"
    cpu_only = True
    Settings = SamplingConfig
    weights = ("blazepose_detector", "blazepose_landmarks")

    def __init__(self, sampling: SamplingConfig | None = None) -> None:
        self.sampling = sampling or SamplingConfig()

    def load(self, device: str) -> None:
        """Loads both models; they run on the CPU whatever `device` says."""
        self._finder = PeopleFinder()

    def annotate(self, batch: Sequence[Frames]) -> list[MainPerson]:
        """What each clip shows; whether that meets the bar is `annotators.main_person.judge`'s to say."""
        return [measure(frames, self._finder, self.sampling) for frames in batch]
