"""ByteTrack and BoT-SORT, as ultralytics runs them: which find is whom, from frame to frame."""

from typing import Any

import numpy as np

from annotators.ultralytics.config import UltralyticsConfig
from annotators.ultralytics.detector import Finds
from annotators.ultralytics.library import library


class Tracker:
    """One clip's people. The library's own settings, but for the bar on confidence and the patience with the lost;
    ids come from motion and overlap alone, so that no second model is needed."""

    def __init__(self, config: UltralyticsConfig, fps: float) -> None:
        library()
        from ultralytics.engine.results import Boxes
        from ultralytics.trackers.track import TRACKER_MAP
        from ultralytics.utils import ROOT, YAML, IterableSimpleNamespace

        settings = YAML.load(ROOT / "cfg" / "trackers" / f"{config.tracker}.yaml")
        settings |= {
            "track_high_thresh": config.min_confidence,
            "new_track_thresh": config.min_confidence,
            "track_buffer": round(config.max_lost_s * fps / config.every),
            "with_reid": False,
        }
        self.needs_pictures = config.tracker == "botsort"
        self._boxes = Boxes
        self._tracker: Any = TRACKER_MAP[config.tracker](args=IterableSimpleNamespace(**settings))

    def follow(self, finds: Finds, picture: np.ndarray | None, shape: tuple[int, int]) -> dict[int, int]:
        """The id of each find that belongs to somebody followed, by its place in `finds`.

        `picture` is the (H, W, 3) uint8 RGB frame, for a tracker that `needs_pictures`; `shape` is (H, W).
        """
        classes = np.zeros(len(finds.scores), np.float32)
        rows = np.column_stack([finds.boxes_xyxy, finds.scores, classes]).astype(np.float32)
        bgr = None if picture is None else np.ascontiguousarray(picture[..., ::-1])
        tracks = self._tracker.update(self._boxes(rows, shape), bgr)
        return {int(track[7]): int(track[4]) for track in tracks}
