"""Near duplicates among the clips that other thresholds would keep, fast enough to answer while a slider moves."""

import numpy as np
import pandas as pd

from shards.near_duplicates import CROWD, DedupConfig, Entry, bands, find_near_duplicates


class Twins:
    """Settles near duplicates as the build does: batch by batch, earlier batches win, then more pixels, then lower id.

    Few clips can ever be twins. Those that might be are found once, over all clips; only they are handed to
    `find_near_duplicates`, in the build's own order, and the result is the same: it compares clips that share a
    bucket, all of them where a bucket is small, and of a crowded bucket all clips are handed on.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        """`frame` as of ClipTable; clips whose signature is None take no part."""
        signatures = frame["signature"].to_numpy()
        self._rows = np.flatnonzero([words is not None for words in signatures])
        self._ids = frame["clip_id"].to_numpy(dtype=object)
        self._signatures = np.zeros((0, 8), np.uint64)
        if len(self._rows):
            self._signatures = np.array([signatures[row] for row in self._rows], dtype=np.uint64)
        pixels = (frame["width"] * frame["height"]).to_numpy(dtype=np.float64)[self._rows]
        self._batch = frame["batch"].to_numpy(dtype=np.int64)[self._rows]
        # The frame is in clip_id order, and the sorts are stable.
        self._precedence = np.lexsort((np.arange(len(self._rows)), -pixels))
        self.known = np.zeros(len(frame), dtype=bool)
        self.known[self._rows] = True
        self._pairs, self._apart, self._crowded = _candidates(self._signatures)

    def gone(self, kept: np.ndarray, config: DedupConfig) -> np.ndarray:
        """(N,) bool: which of the `kept` (N,) bool go, since a clip like them stays."""
        gone = np.zeros(len(kept), dtype=bool)
        if config.near == "off":
            return gone
        possible = self._crowded.copy()
        possible[self._pairs[self._apart <= config.max_distance].ravel()] = True
        possible &= kept[self._rows]
        order = self._precedence[possible[self._precedence]]
        winners: list[Entry] = []
        twins: set[str] = set()
        for batch in np.unique(self._batch[order]):
            entries = [self._entry(row) for row in order[self._batch[order] == batch]]
            found = find_near_duplicates(winners + entries, config, len(winners))
            twins |= found.keys()
            winners += [entry for entry in entries if entry.clip_id not in found]
        rows = self._rows[order]
        gone[rows] = [self._ids[row] in twins for row in rows]
        return gone

    def _entry(self, row: int) -> Entry:
        return Entry(clip_id=self._ids[self._rows[row]], signature=self._signatures[row])


def _candidates(signatures: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(P, 2) pairs that share a small bucket; (P,) how far apart they are, the larger of look and movement; and
    (N,) bool, which clips are in a bucket so crowded that not all of it is compared."""
    crowded = np.zeros(len(signatures), dtype=bool)
    found: list[np.ndarray] = [np.zeros((0, 2), np.int64)]
    for keys in bands(signatures).T if len(signatures) else ():
        order = np.argsort(keys, kind="stable")
        ranked = keys[order]
        far = np.flatnonzero(ranked[CROWD + 1 :] == ranked[: -CROWD - 1])
        for k in range(CROWD + 2):
            crowded[order[far + k]] = True
        for k in range(1, CROWD + 1):
            first = np.flatnonzero(ranked[k:] == ranked[:-k])
            if not len(first):
                break
            found.append(np.stack([order[first], order[first + k]], axis=1))
    pairs = np.unique(np.sort(np.concatenate(found), axis=1), axis=0)
    return pairs, _apart(signatures, pairs), crowded


def _apart(signatures: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    bits = np.bitwise_count(signatures[pairs[:, 0]] ^ signatures[pairs[:, 1]]).astype(np.int64)
    return np.maximum(bits[:, :4].sum(axis=1), bits[:, 4:].sum(axis=1))
