"""Caption embeddings: from latents if there are any, otherwise from the encoder."""

from collections.abc import Sequence

import torch

from echomotion_model.latents.protocol import TextEncoder
from echomotion_model.latents.reader import Latents
from echomotion_model.train.inputs.batch import pad_text
from humove.errors import UserError

CACHE_BYTES = 2**30
"""Cache size for encoded captions: enough for some thousands of clips, and small beside a model. `humove latents`
encodes the captions of larger sets ahead of training."""


class CaptionEmbeddings:
    """Embeddings of captions, each (L, E) float32 with the same L. Those that the encoder computes are kept in an LRU
    cache, without padding and in the encoder's precision."""

    def __init__(self, length: int, latents: Sequence[Latents], encoder: TextEncoder | None) -> None:
        self._length, self._latents, self._encoder = length, latents, encoder
        self._cache: dict[str, torch.Tensor] = {}
        """By caption, the last used at the end."""
        self._bytes = 0

    def embed(self, keys: Sequence[str], captions: Sequence[str], epoch: int) -> torch.Tensor:
        """Get text_BLE of samples. UserError if a sample has no latents and there is no encoder."""
        pairs = zip(keys, captions, strict=True)
        return torch.stack([self._embed_caption(key, caption, epoch) for key, caption in pairs])

    def embed_null(self) -> torch.Tensor:
        """Get null_LE, the embedding of "", which replaces dropped captions."""
        return pad_text(self._latents[0].read_null_text(), self._length) if self._latents else self._encode_caption("")

    def _embed_caption(self, key: str, caption: str, epoch: int) -> torch.Tensor:
        for latents in self._latents:
            if key in latents:
                return pad_text(latents.read_text(key, epoch), self._length)
        if self._encoder is None:
            raise UserError(f"there are no latents of {key}; run `humove latents` on its data set")
        return self._encode_caption(caption)

    def _encode_caption(self, caption: str) -> torch.Tensor:
        tokens_LE = self._cache.pop(caption, None)
        if tokens_LE is None:
            with torch.no_grad():
                tokens_BLE, lengths_B = self._encoder.encode_text([caption])
            tokens_LE = tokens_BLE[0, : min(int(lengths_B[0]), self._length)].to("cpu", copy=True)
            self._bytes += tokens_LE.nbytes
        self._cache[caption] = tokens_LE
        while self._bytes > CACHE_BYTES:
            self._bytes -= self._cache.pop(next(iter(self._cache))).nbytes
        return pad_text(tokens_LE, self._length)
