"""Zero-shot classification of a clip's frames by CLIP, among the paper's 38 classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotators.batches import run_in_batches
from annotators.categories.config import ClipZeroShotConfig
from annotators.categories.network import SETTING, ClipNetwork, normalize, read_processor
from annotators.categories.taxonomy import load_taxonomy
from annotators.network import Network, load_network


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassProbabilities:
    """Probabilities of the fine classes; they sum to 1."""

    fine: tuple[str, ...]
    probabilities: np.ndarray
    """(38,) float32, in the order of `fine`."""

    @property
    def best(self) -> tuple[str, float]:
        index = int(self.probabilities.argmax())
        return self.fine[index], float(self.probabilities[index])


class ClipZeroShot:
    """Frames -> ClassProbabilities: the frames' mean embedding against each class's sentence (arXiv 2103.00020)."""

    name = "clip"
    version = "1"
    licence = "that of the user's CLIP (OpenAI's: MIT)"
    rights = "permissive"
    cpu_only = False
    weights: tuple[str, ...] = ()
    Settings = ClipZeroShotConfig

    def __init__(self, settings: ClipZeroShotConfig) -> None:
        self.settings = settings
        self.fine = tuple(load_taxonomy())
        self.network: Network = ClipNetwork(settings)

    def load(self, device: str, network: Network | None = None) -> None:
        """Load the model and embed the 38 sentences; UserError if the folder has no CLIP."""
        import torch

        self.network = load_network(self.network, device, network)
        self._processor = read_processor(self.settings.weights.resolve_folder(SETTING))
        constants = self.network.constants()
        self._sentences = torch.from_numpy(constants["sentences"].copy())
        self._scale = torch.from_numpy(constants["scale"].copy())

    def annotate(self, batch: Sequence[Sequence[np.ndarray]]) -> list[ClassProbabilities]:
        """Classify each clip by its frames, (h, w, 3) uint8 RGB each."""
        return [self._classify_frames(frames) for frames in batch]

    def _classify_frames(self, frames: Sequence[np.ndarray]) -> ClassProbabilities:
        import torch

        rows = run_in_batches(frames, self._embed_frames, self.settings.batch_size)
        with torch.inference_mode():
            mean = normalize(torch.from_numpy(np.stack(rows)).mean(0))
            logits = self._scale * self._sentences @ mean
            return ClassProbabilities(fine=self.fine, probabilities=logits.softmax(0).numpy())

    def _embed_frames(self, frames: Sequence[np.ndarray]) -> np.ndarray:
        """Return the embedding of each frame at unit length."""
        pixels = self._processor(images=list(frames), return_tensors="pt")["pixel_values"].numpy()
        (vectors,) = self.network.run((pixels,))
        return vectors
