"""The annotator: frames of a clip in, one aesthetic score out."""

from collections.abc import Sequence

import numpy as np

from annotators.batches import run_in_batches
from annotators.laion.config import LaionConfig
from annotators.laion.encoder import load_preparation
from annotators.laion.network import LaionNetwork
from annotators.network import Network, load_network


class LaionAesthetic:
    """LAION's aesthetic predictor on frames of a clip: their mean score, from about 1 to 10."""

    name = "laion"
    version = "1"
    licence = "MIT (OpenAI's CLIP, open_clip), Apache-2.0 (transformers, LAION's heads)"
    rights = "permissive"
    weights: tuple[str, ...] = ()
    Settings = LaionConfig

    def __init__(self, settings: LaionConfig | None = None) -> None:
        self.settings = settings or LaionConfig()
        self.network: Network = LaionNetwork(self.settings)

    def load(self, device: str, network: Network | None = None) -> None:
        """Load both files. UserError if one is missing, has another sha256, or they do not match."""
        self.network = load_network(self.network, device, network)
        self._prepare = load_preparation(self.settings, str(self.network.constants()["preparation"]))

    def annotate(self, batch: Sequence[Sequence[np.ndarray]]) -> list[float]:
        """Score each clip, given as one or more frames (H, W, 3) uint8 RGB."""
        frames = [frame for clip in batch for frame in clip]
        scores = run_in_batches(frames, self._score_frames, self.settings.batch_size)
        ends = np.cumsum([len(clip) for clip in batch])
        return [float(np.mean(part)) for part in np.split(np.array(scores), ends[:-1])]

    def _score_frames(self, frames: Sequence[np.ndarray]) -> list[float]:
        (scores,) = self.network.run((self._prepare(frames),))
        return scores.tolist()
