"""Near duplicates among the clips that other thresholds would keep, fast enough to answer while a slider moves."""

import numpy as np
import pandas as pd

from humove.near_duplicates import DedupConfig, NearDuplicateIndex


class Twins:
    """Settles near duplicates as the build does: batch by batch, earlier batches win, then more pixels, then lower id.

    Whether two clips match depends on the two alone. Clips that match any other are found once for each max_distance;
    only they are settled when thresholds move.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        """`frame` as of ClipTable; clips whose signature is None take no part."""
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

    def gone(self, kept: np.ndarray, config: DedupConfig) -> np.ndarray:
        """(N,) bool: which of the `kept` (N,) bool go, since a clip like them stays."""
        gone = np.zeros(len(kept), dtype=bool)
        if config.near == "off":
            return gone
        possible = self._find_matched(config.max_distance) & kept[self._rows]
        # Batches need not be told apart: whether two clips match does not depend on them.
        order = self._precedence[possible[self._precedence]]
        gone[self._rows[order]] = NearDuplicateIndex(config.max_distance).settle(self._signatures[order]) >= 0
        return gone

    def _find_matched(self, max_distance: int) -> np.ndarray:
        """(M,) bool: which signatures match any other one. Of a pair at least one goes."""
        if max_distance not in self._matched:
            matched = NearDuplicateIndex(max_distance).settle(self._signatures) >= 0
            of_those = NearDuplicateIndex(max_distance)
            of_those.add(self._signatures[matched])
            matched[~matched] = of_those.settle(self._signatures[~matched]) >= 0
            self._matched[max_distance] = matched
        return self._matched[max_distance]
