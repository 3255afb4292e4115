"""ByteTrack and BoT-SORT, as ultralytics runs them: ids of the detections from frame to frame."""

from typing import Any

import numpy as np

from annotators.ultralytics.config import UltralyticsConfig
from annotators.ultralytics.detector import Detections
from annotators.ultralytics.library import import_ultralytics


class Tracker:
    """Tracker of one clip. The library's settings, but for the confidence threshold and the time until a lost person is
    dropped; ids come from motion and overlap alone, so that no second model is needed."""

    def __init__(self, config: UltralyticsConfig, fps: float) -> None:
        import_ultralytics()
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
        self.needs_frame = config.tracker == "botsort"
        self._boxes = Boxes
        self._tracker: Any = TRACKER_MAP[config.tracker](args=IterableSimpleNamespace(**settings))

    def track(self, detections: Detections, frame: np.ndarray | None, shape: tuple[int, int]) -> dict[int, int]:
        """Track one frame's detections; returns the id of each tracked one by its row in `detections`.

        `frame` is (H, W, 3) uint8 RGB, for a tracker that `needs_frame`; `shape` is (H, W).
        """
        classes = np.zeros(len(detections.scores), np.float32)
        rows = np.column_stack([detections.boxes_xyxy, detections.scores, classes]).astype(np.float32)
        bgr = None if frame is None else np.ascontiguousarray(frame[..., ::-1])
        tracks = self._tracker.update(self._boxes(rows, shape), bgr)
        return {int(track[7]): int(track[4]) for track in tracks}
