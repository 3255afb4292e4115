"""TransNetV2 over the small pictures that the scan keeps of every frame: no video is decoded for it again.

The network wants RGB of 48x27; the scan has 32x32 of luma and 8x8 of colour. On videos with known cuts it decides the
same on both (docs/benchmarks.md).
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
"""The network sees so many frames at once, and is believed on those in the middle."""
_LEAD = (_WINDOW - _STEP) // 2


class TransNetV2:
    """Scan -> how likely the shot changes, for every frame."""

    name = "transnetv2"
    version = "1"
    licence = "MIT"
    rights = "permissive"
    weights: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.network: Network = WindowNetwork()

    @staticmethod
    def installed() -> Path:
        """The weights in the package. UserError where it is not installed, or has others than were tried."""
        return find_weights()

    @classmethod
    def record(cls) -> dict[str, Any]:
        """What a sample says of it."""
        row = {"name": WEIGHTS, "sha256": SHA256, "licence": cls.licence}
        return {"name": f"cuts.{cls.name}", "version": cls.version, "licence": cls.licence, "weights": [row]}

    def load(self, device: str, network: Network | None = None) -> None:
        """Builds the network and reads its weights. UserError as `installed`."""
        self.network = load_network(self.network, device, network)

    def annotate(self, batch: Sequence[Scan]) -> list[np.ndarray]:
        """For each scan (N, 2) float32, 0..1: that the shot changes from this frame to the next one, and that this
        frame is part of a change, however slow."""
        return [self._video(scan) for scan in batch]

    def _video(self, scan: Scan) -> np.ndarray:
        count = scan.num_frames
        answers = np.empty((count, 2), np.float32)
        starts = range(0, count, _STEP)
        # A few windows at a time, so that a long video takes no more memory than a short one.
        for first in range(0, len(starts), self.network.batch_size):
            part = starts[first : first + self.network.batch_size]
            (found,) = self.network.run((np.stack([_window(scan, start) for start in part]),))
            for start, answer in zip(part, found, strict=True):
                end = min(start + _STEP, count)
                answers[start:end] = answer[_LEAD : _LEAD + end - start]
        return answers


def _window(scan: Scan, start: int) -> np.ndarray:
    """(100, 27, 48, 3) uint8 RGB: the pictures about the 50 from `start` on; the first and last stand in for more."""
    shown = np.clip(np.arange(start - _LEAD, start - _LEAD + _WINDOW), 0, scan.num_frames - 1)
    return np.stack([picture(scan, index) for index in shown])


def picture(scan: Scan, index: int) -> np.ndarray:
    """(27, 48, 3) uint8 RGB: one frame, from the scan's luma and colour."""
    y, u, v = (
        cv2.resize(plane, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_LINEAR)
        for plane in (scan.thumb[index], *scan.chroma[index])
    )
    return cv2.cvtColor(np.dstack([y, v, u]), cv2.COLOR_YCrCb2RGB)
