"""TransNetV2 on the thumbnails that the scan stores of every frame, without decoding the video again.

The network takes RGB of 48x27; the scan has 32x32 of luma and 8x8 of chroma. On videos with known cuts the decisions on
both are the same (docs/benchmarks.md).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from annotators.network import Network, load_network
from annotators.transnetv2.windows import SHA256, WEIGHTS, WindowNetwork, find_weights
from humove.video.scan import Scan

_WIDTH, _HEIGHT = 48, 27
_WINDOW, _STEP = 100, 50
"""Frames of a window, and those in its middle whose outputs are used."""
_LEAD = (_WINDOW - _STEP) // 2


class TransNetV2:
    """Scan -> the probability of a shot change for every frame."""

    name = "transnetv2"
    version = "1"
    licence = "MIT"
    rights = "permissive"
    weights: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.network: Network = WindowNetwork()

    @staticmethod
    def find_weights() -> Path:
        """Find the weights in the package. UserError if it is not installed, or has other weights than tested."""
        return find_weights()

    @classmethod
    def build_record(cls) -> dict[str, Any]:
        """Build a sample's record of this annotator."""
        row = {"name": WEIGHTS, "sha256": SHA256, "licence": cls.licence}
        return {"name": f"cuts.{cls.name}", "version": cls.version, "licence": cls.licence, "weights": [row]}

    def load(self, device: str, network: Network | None = None) -> None:
        """Build the network and read its weights. UserError as `find_weights`."""
        self.network = load_network(self.network, device, network)

    def annotate(self, batch: Sequence[Scan]) -> list[np.ndarray]:
        """Return for each scan (N, 2) float32, 0..1: the probability of a change between this frame and the next one,
        and that this frame is part of a transition."""
        return [self._annotate_scan(scan) for scan in batch]

    def _annotate_scan(self, scan: Scan) -> np.ndarray:
        count = scan.num_frames
        probabilities = np.empty((count, 2), np.float32)
        starts = range(0, count, _STEP)
        # A few windows at a time, so that memory does not grow with the video.
        for first in range(0, len(starts), self.network.batch_size):
            part = starts[first : first + self.network.batch_size]
            (found,) = self.network.run((np.stack([_build_window(scan, start) for start in part]),))
            for start, row in zip(part, found, strict=True):
                end = min(start + _STEP, count)
                probabilities[start:end] = row[_LEAD : _LEAD + end - start]
        return probabilities


def _build_window(scan: Scan, start: int) -> np.ndarray:
    """Build (100, 27, 48, 3) uint8 RGB: the 50 frames from `start` with context; the ends are repeated."""
    indices = np.clip(np.arange(start - _LEAD, start - _LEAD + _WINDOW), 0, scan.num_frames - 1)
    return np.stack([make_small_frame(scan, index) for index in indices])


def make_small_frame(scan: Scan, index: int) -> np.ndarray:
    """Make one frame (27, 48, 3) uint8 RGB from the scan's luma and chroma."""
    y, u, v = (
        cv2.resize(plane, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_LINEAR)
        for plane in (scan.thumb[index], *scan.chroma[index])
    )
    return cv2.cvtColor(np.dstack([y, v, u]), cv2.COLOR_YCrCb2RGB)
