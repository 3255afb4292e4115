"""Zero-shot classification of a clip's pictures by CLIP, among the paper's 38 classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotators.batches import in_batches
from annotators.categories.config import ClipZeroShotConfig
from annotators.categories.network import SETTING, ClipNetwork, read_processor, unit
from annotators.categories.taxonomy import taxonomy
from annotators.network import Network, load_network


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Likelihoods:
    """How likely each fine class is; they sum to 1."""

    fine: tuple[str, ...]
    probabilities: np.ndarray
    """(38,) float32, in the order of `fine`."""

    @property
    def best(self) -> tuple[str, float]:
        place = int(self.probabilities.argmax())
        return self.fine[place], float(self.probabilities[place])


class ClipZeroShot:
    """Pictures -> Likelihoods: the mean of the frames' embeddings against each class's sentence (arXiv 2103.00020)."""

    name = "clip"
    version = "1"
    licence = "that of the user's CLIP (OpenAI's: MIT)"
    rights = "permissive"
    cpu_only = False
    weights: tuple[str, ...] = ()
    Settings = ClipZeroShotConfig

    def __init__(self, settings: ClipZeroShotConfig) -> None:
        self.settings = settings
        self.fine = tuple(taxonomy())
        self.network: Network = ClipNetwork(settings)

    def load(self, device: str, network: Network | None = None) -> None:
        """Reads the model and embeds the 38 sentences; UserError where the folder holds no CLIP."""
        import torch

        self.network = load_network(self.network, device, network)
        self._processor = read_processor(self.settings.weights.folder(SETTING))
        constants = self.network.constants()
        self._sentences = torch.from_numpy(constants["sentences"].copy())
        self._scale = torch.from_numpy(constants["scale"].copy())

    def annotate(self, batch: Sequence[Sequence[np.ndarray]]) -> list[Likelihoods]:
        """For each clip the likelihoods, from its pictures, (h, w, 3) uint8 RGB each."""
        return [self._likelihoods(pictures) for pictures in batch]

    def _likelihoods(self, pictures: Sequence[np.ndarray]) -> Likelihoods:
        import torch

        rows = in_batches(pictures, self._embed, self.settings.batch_size)
        with torch.inference_mode():
            mean = unit(torch.from_numpy(np.stack(rows)).mean(0))
            logits = self._scale * self._sentences @ mean
            return Likelihoods(fine=self.fine, probabilities=logits.softmax(0).numpy())

    def _embed(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """A unit vector for each picture."""
        pixels = self._processor(images=list(pictures), return_tensors="pt")["pixel_values"].numpy()
        (vectors,) = self.network.run((pixels,))
        return vectors
