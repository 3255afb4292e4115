"""Captions as the model is given them: from side shards where there are any, else from the encoder itself."""

from collections.abc import Sequence

import torch

from echomotion_model.latents.protocol import TextEncoder
from echomotion_model.latents.reader import Latents
from echomotion_model.train.batch import padded
from humove.errors import UserError


class Texts:
    """Embeddings of captions, each (L, E) float32 with L the same for all; those that an encoder made are kept."""

    def __init__(self, length: int, latents: Sequence[Latents], encoder: TextEncoder | None) -> None:
        self._length, self._latents, self._encoder = length, latents, encoder
        self._kept: dict[str, torch.Tensor] = {}

    def of(self, keys: Sequence[str], captions: Sequence[str], epoch: int) -> torch.Tensor:
        """text_BLE of samples. UserError for one of which there is neither latents nor an encoder."""
        return torch.stack([self._one(key, said, epoch) for key, said in zip(keys, captions, strict=True)])

    def null(self) -> torch.Tensor:
        """null_LE: the embedding of "", which stands for a dropped text."""
        return padded(self._latents[0].null_text(), self._length) if self._latents else self._encoded("")

    def _one(self, key: str, caption: str, epoch: int) -> torch.Tensor:
        for latents in self._latents:
            if key in latents:
                return padded(latents.text(key, epoch), self._length)
        if self._encoder is None:
            raise UserError(f"there are no latents of {key}; run `humove latents` on the set that it is of")
        return self._encoded(caption)

    def _encoded(self, caption: str) -> torch.Tensor:
        if caption not in self._kept:
            with torch.no_grad():
                tokens_BLE, lengths_B = self._encoder.encode_text([caption])
            self._kept[caption] = padded(tokens_BLE[0, : int(lengths_B[0])].cpu(), self._length)
        return self._kept[caption]
