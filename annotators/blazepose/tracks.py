"""The main person's boxes, by BlazePose."""

from collections.abc import Sequence

from annotators.blazepose.people import PeopleDetector
from annotators.main_person import MainPerson, SamplingConfig, measure_main_person
from humove.video.frames import Frames


class BlazePoseTracks:
    """Track annotator: detects all people on some frames of a clip and tracks the main person."""

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
        """Load both models; they run on the CPU whatever `device` is."""
        self._people = PeopleDetector()

    def annotate(self, batch: Sequence[Frames]) -> list[MainPerson]:
        """Measure the main person of each clip; `annotators.main_person.judge_main_person` gives the verdict."""
        return [measure_main_person(frames, self._people, self.sampling) for frames in batch]
