"""The annotator: pictures of a clip in, one aesthetic score out."""

from collections.abc import Sequence

import numpy as np

from annotators.batches import in_batches
from annotators.laion.config import LaionConfig
from annotators.laion.encoder import load_encoder
from annotators.laion.head import load_head, score
from humove.stage import Resources


class LaionAesthetic:
    """LAION's aesthetic predictor on some frames of a clip: their mean score, on its scale of about 1 to 10."""

    name = "laion"
    version = "1"
    licence = "MIT (OpenAI's CLIP, open_clip), Apache-2.0 (transformers, LAION's heads)"
    rights = "permissive"
    weights: tuple[str, ...] = ()
    resources = Resources(cpus=1.0)
    Settings = LaionConfig

    def __init__(self, settings: LaionConfig | None = None) -> None:
        self.settings = settings or LaionConfig()

    def load(self, device: str) -> None:
        """Reads both files. UserError where one is missing, is another than it must be, or they do not go together."""
        head = self.settings.head.file("aesthetic.laion.head")
        self._encode, width = load_encoder(self.settings, device)
        self._layers = load_head(head, width)

    def annotate(self, batch: Sequence[Sequence[np.ndarray]]) -> list[float]:
        """A score for each clip, given as its (H, W, 3) uint8 RGB pictures, one or more."""
        pictures = [picture for clip in batch for picture in clip]
        scores = in_batches(pictures, self._scores, self.settings.batch_size)
        ends = np.cumsum([len(clip) for clip in batch])
        return [float(np.mean(part)) for part in np.split(np.array(scores), ends[:-1])]

    def _scores(self, pictures: Sequence[np.ndarray]) -> list[float]:
        return score(self._layers, self._encode(pictures)).tolist()
