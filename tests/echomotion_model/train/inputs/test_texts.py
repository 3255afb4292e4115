"""Captions that are encoded during training."""

import pytest
import torch

from echomotion_model.train.inputs import texts as module
from echomotion_model.train.inputs.batch import pad_text
from echomotion_model.train.inputs.texts import CaptionEmbeddings
from tests.echomotion_model.latents.fakes import Words

LENGTH = 5


class RecordingEncoder(Words):
    """An encoder in half precision, like UMT5, that records its inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.encoded: list[str] = []

    def encode_text(self, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        self.encoded += texts
        tokens, lengths = super().encode_text(texts)
        return tokens.to(torch.bfloat16), lengths


def encode_expected(caption: str) -> torch.Tensor:
    tokens, lengths = RecordingEncoder().encode_text([caption])
    return pad_text(tokens[0, : int(lengths[0])], LENGTH)


def test_the_cache_is_bounded_and_results_do_not_depend_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    bound = 3 * 4 * 4 * 2  # three captions of four tokens with four dimensions
    monkeypatch.setattr(module, "CACHE_BYTES", bound)
    encoder = RecordingEncoder()
    texts = CaptionEmbeddings(LENGTH, [], encoder)
    captions = [f"clip {number} turns" for number in range(8)]
    for caption in [*captions, *captions]:
        embeddings = texts.embed(["key"], [caption], 0)
        assert torch.equal(embeddings, encode_expected(caption)[None]) and embeddings.dtype == torch.float32
        assert sum(cached.untyped_storage().nbytes() for cached in texts._cache.values()) <= bound
    assert len(encoder.encoded) == 16 and len(texts._cache) == 3


def test_the_last_used_captions_stay_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CACHE_BYTES", 2 * 2 * 4 * 2)
    encoder = RecordingEncoder()
    texts = CaptionEmbeddings(LENGTH, [], encoder)
    for caption in ("a", "b", "a", "c", "a", "b"):
        texts.embed(["key"], [caption], 0)
    assert encoder.encoded == ["a", "b", "c", "b"]


def test_long_captions_are_truncated_and_may_exceed_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CACHE_BYTES", 1)
    texts = CaptionEmbeddings(LENGTH, [], RecordingEncoder())
    caption = "one two three four five six seven"
    assert torch.equal(texts.embed(["key"], [caption], 0)[0], encode_expected(caption)) and not texts._cache
    assert torch.equal(texts.embed_null(), encode_expected(""))
