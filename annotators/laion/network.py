"""LAION's score on a device: pictures prepared for CLIP in, a score for each out."""

import numpy as np

from annotators.laion.config import LaionConfig
from annotators.laion.encoder import load_encoder
from annotators.laion.head import load_head, score
from annotators.network import Columns, as_tensor


class LaionNetwork:
    """(B, 3, S, S) float32 pixels -> (B,) float32 scores: CLIP's picture half and LAION's head."""

    def __init__(self, settings: LaionConfig) -> None:
        self.settings = settings
        self.batch_size = settings.batch_size

    def load(self, device: str) -> None:
        """Reads both files. UserError where one is missing, is another than it must be, or they do not go together."""
        head = self.settings.head.file("aesthetic.laion.head")
        self._encoder = load_encoder(self.settings, device)
        self._layers = load_head(head, self._encoder.width)

    def constants(self) -> dict[str, np.ndarray]:
        """`preparation`: open_clip's settings of it, as JSON; "" where transformers prepares the pictures."""
        return {"preparation": np.array(self._encoder.preparation)}

    def run(self, inputs: Columns) -> Columns:
        (pixels,) = inputs
        return (score(self._layers, self._encoder.encode(as_tensor(pixels))).numpy(),)
