"""Captions as the model is given them: from side shards where there are any, else from the encoder itself."""

from collections.abc import Sequence

import torch

from echomotion_model.latents.protocol import TextEncoder
from echomotion_model.latents.reader import Latents
from echomotion_model.train.batch import padded
from humove.errors import UserError

KEPT_BYTES = 2**30
"""Of embeddings that an encoder made: the captions of some thousands of clips, and little beside a model. Those of a
larger set are encoded again at each pass, or once for all by `humove latents`."""


class Texts:
    """Embeddings of captions, each (L, E) float32 with L the same for all. Of those that an encoder made, the ones last
    asked for are kept: without padding, and in the encoder's own precision."""

    def __init__(self, length: int, latents: Sequence[Latents], encoder: TextEncoder | None) -> None:
        self._length, self._latents, self._encoder = length, latents, encoder
        self._kept: dict[str, torch.Tensor] = {}
        """By caption, the one asked for last at the end."""
        self._bytes = 0

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
        tokens_LE = self._kept.pop(caption, None)
        if tokens_LE is None:
            with torch.no_grad():
                tokens_BLE, lengths_B = self._encoder.encode_text([caption])
            tokens_LE = tokens_BLE[0, : min(int(lengths_B[0]), self._length)].to("cpu", copy=True)
            self._bytes += tokens_LE.nbytes
        self._kept[caption] = tokens_LE
        while self._bytes > KEPT_BYTES:
            self._bytes -= self._kept.pop(next(iter(self._kept))).nbytes
        return padded(tokens_LE, self._length)
