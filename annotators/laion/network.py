"""LAION's predictor on a device: pixels in, one score for each frame out."""

import numpy as np

from annotators.laion.config import LaionConfig
from annotators.laion.encoder import load_encoder
from annotators.laion.head import load_head, score_embeddings
from annotators.network import Columns, to_tensor


class LaionNetwork:
    """(B, 3, S, S) float32 pixels -> (B,) float32 scores: CLIP's image encoder and LAION's head."""

    def __init__(self, settings: LaionConfig) -> None:
        self.settings = settings
        self.batch_size = settings.batch_size

    def load(self, device: str) -> None:
        """Load both files. UserError if one is missing, has another sha256, or they do not match."""
        head = self.settings.head.resolve_file("aesthetic.laion.head")
        self._encoder = load_encoder(self.settings, device)
        self._layers = load_head(head, self._encoder.width)

    def constants(self) -> dict[str, np.ndarray]:
        """Return `preparation`: open_clip's preprocessing settings as JSON; "" for transformers."""
        return {"preparation": np.array(self._encoder.preparation)}

    def run(self, inputs: Columns) -> Columns:
        (pixels,) = inputs
        return (score_embeddings(self._layers, self._encoder.encode(to_tensor(pixels))).numpy(),)
