"""The main person's boxes, by a YOLO of the user's and a tracker."""

from collections.abc import Sequence

from annotators.batches import in_batches
from annotators.main_person import Frames, MainPerson
from annotators.network import Network, load_network
from annotators.ultralytics.config import UltralyticsConfig
from annotators.ultralytics.detector import Detector
from annotators.ultralytics.main_track import followed, main_person
from annotators.ultralytics.network import YoloNetwork
from annotators.ultralytics.tracker import Tracker


class UltralyticsTracks:
    """Finds everyone on the frames of a clip, follows each, and takes the one who covers most as the main person."""

    name = "ultralytics"
    version = "1"
    licence = "AGPL-3.0 (library and its published weights)"
    rights = "agpl"
    Settings = UltralyticsConfig
    weights: tuple[str, ...] = ()

    def __init__(self, settings: UltralyticsConfig) -> None:
        self.settings = settings
        self.network: Network = YoloNetwork(settings)

    def load(self, device: str, network: Network | None = None) -> None:
        """Reads the user's file; UserError where it is none that finds people."""
        self.network = load_network(self.network, device, network)
        self._detector = Detector(self.network)

    def annotate(self, batch: Sequence[Frames]) -> list[MainPerson]:
        """What each clip shows; whether that meets the bar is `annotators.main_person.judge`'s to say."""
        return [self._clip(frames) for frames in batch]

    def _clip(self, frames: Frames) -> MainPerson:
        looked = sorted({*range(0, len(frames), self.settings.every), len(frames) - 1})
        found = in_batches(looked, lambda some: self._detector.find([frames.rgb(i) for i in some]), self.settings.batch)
        tracker = Tracker(self.settings, float(frames.fps))
        people_on = []
        for index, finds in zip(looked, found, strict=True):
            picture = frames.rgb(index) if tracker.needs_pictures else None
            ids = tracker.follow(finds, picture, (frames.height, frames.width))
            people_on.append(followed(finds, ids, self.settings.min_confidence))
        return main_person(looked, people_on, frames.height, self.settings.second_person_area_ratio)
