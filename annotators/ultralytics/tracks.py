"""The main person's boxes, by the user's YOLO model and a tracker."""

from collections.abc import Sequence

from annotators.batches import run_in_batches
from annotators.main_person import MainPerson
from annotators.network import Network, load_network
from annotators.ultralytics.config import UltralyticsConfig
from annotators.ultralytics.detector import YoloDetector
from annotators.ultralytics.main_track import list_people, select_main_person
from annotators.ultralytics.network import YoloNetwork
from annotators.ultralytics.tracker import Tracker
from humove.video.frames import Frames


class UltralyticsTracks:
    """Track annotator: detects and tracks all people; the main person is the one with the largest area over time."""

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
        """Read the user's file; UserError if it is no model that detects people."""
        self.network = load_network(self.network, device, network)
        self._detector = YoloDetector(self.network)

    def annotate(self, batch: Sequence[Frames]) -> list[MainPerson]:
        """Measure the main person of each clip; `annotators.main_person.judge_main_person` gives the verdict."""
        return [self._annotate_clip(frames) for frames in batch]

    def _annotate_clip(self, frames: Frames) -> MainPerson:
        detected_on = sorted({*range(0, len(frames), self.settings.every), len(frames) - 1})
        found = run_in_batches(
            detected_on, lambda part: self._detector.detect([frames.read_rgb(i) for i in part]), self.settings.batch
        )
        tracker = Tracker(self.settings, float(frames.fps))
        people_on = []
        for index, detections in zip(detected_on, found, strict=True):
            frame = frames.read_rgb(index) if tracker.needs_frame else None
            ids = tracker.track(detections, frame, (frames.height, frames.width))
            people_on.append(list_people(detections, ids, self.settings.min_confidence))
        return select_main_person(detected_on, people_on, frames.height, self.settings.second_person_area_ratio)
