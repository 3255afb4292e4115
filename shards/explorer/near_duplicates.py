"""Near duplicates among the clips that changed thresholds keep, fast enough to follow a slider."""

import numpy as np
import pandas as pd

from humove.near_duplicates.index import DedupConfig, NearDuplicateIndex


class NearDuplicateFilter:
    """The near duplicates to remove, as in a build: earlier batches have priority, then more pixels, then lower id.

    Whether two clips match depends only on these two. Clips that match any other are found once per max_distance; only
    they are settled again when thresholds change.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        """`frame` as in ClipTable; clips whose signature is None are ignored."""
        signatures = frame["signature"].to_numpy()
        self._rows = np.flatnonzero([words is not None for words in signatures])
        self._signatures = np.zeros((0, 8), np.uint64)
        if len(self._rows):
            self._signatures = np.array([signatures[row] for row in self._rows], dtype=np.uint64)
        pixels = (frame["width"] * frame["height"]).to_numpy(dtype=np.float64)[self._rows]
        self._batch = frame["batch"].to_numpy(dtype=np.int64)[self._rows]
        # The frame is in clip_id order, and the sorts are stable.
        self._precedence = np.lexsort((np.arange(len(self._rows)), -pixels, self._batch))
        self.known = np.zeros(len(frame), dtype=bool)
        self.known[self._rows] = True
        self._matched: dict[int, np.ndarray] = {}

    def find_removed(self, kept: np.ndarray, config: DedupConfig) -> np.ndarray:
        """Return (N,) bool, which of the `kept` (N,) bool duplicate another kept clip and are removed."""
        removed = np.zeros(len(kept), dtype=bool)
        if config.near == "off":
            return removed
        possible = self._find_matched(config.max_distance) & kept[self._rows]
        # Whether two clips match does not depend on their batches, so all batches are settled together.
        order = self._precedence[possible[self._precedence]]
        removed[self._rows[order]] = NearDuplicateIndex(config.max_distance).settle(self._signatures[order]) >= 0
        return removed

    def _find_matched(self, max_distance: int) -> np.ndarray:
        """Return (M,) bool, which signatures match any other one."""
        if max_distance not in self._matched:
            matched = NearDuplicateIndex(max_distance).settle(self._signatures) >= 0
            index = NearDuplicateIndex(max_distance)
            index.add(self._signatures[matched])
            matched[~matched] = index.settle(self._signatures[~matched]) >= 0
            self._matched[max_distance] = matched
        return self._matched[max_distance]
