"""Captions that an encoder turns into tokens as they come."""

import pytest
import torch

from echomotion_model.train import texts as module
from echomotion_model.train.batch import padded
from echomotion_model.train.texts import Texts
from tests.echomotion_model.latents.fakes import Words

LENGTH = 5


class Counted(Words):
    """In half precision, as UMT5's tokens are; it notes what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def encode_text(self, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        self.asked += texts
        tokens, lengths = super().encode_text(texts)
        return tokens.to(torch.bfloat16), lengths


def wanted(caption: str) -> torch.Tensor:
    tokens, lengths = Counted().encode_text([caption])
    return padded(tokens[0, : int(lengths[0])], LENGTH)


def test_what_is_kept_is_bounded_and_what_is_given_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    bound = 3 * 4 * 4 * 2  # three captions of four tokens of four numbers
    monkeypatch.setattr(module, "KEPT_BYTES", bound)
    encoder = Counted()
    texts = Texts(LENGTH, [], encoder)
    captions = [f"clip {number} turns" for number in range(8)]
    for caption in [*captions, *captions]:
        given = texts.of(["key"], [caption], 0)
        assert torch.equal(given, wanted(caption)[None]) and given.dtype == torch.float32
        assert sum(kept.untyped_storage().nbytes() for kept in texts._kept.values()) <= bound
    assert len(encoder.asked) == 16 and len(texts._kept) == 3


def test_captions_asked_for_last_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_BYTES", 2 * 2 * 4 * 2)
    encoder = Counted()
    texts = Texts(LENGTH, [], encoder)
    for caption in ("a", "b", "a", "c", "a", "b"):
        texts.of(["key"], [caption], 0)
    assert encoder.asked == ["a", "b", "c", "b"]


def test_long_captions_are_cut_and_longer_ones_than_may_be_kept_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_BYTES", 1)
    texts = Texts(LENGTH, [], Counted())
    said = "one two three four five six seven"
    assert torch.equal(texts.of(["key"], [said], 0)[0], wanted(said)) and not texts._kept
    assert torch.equal(texts.null(), wanted(""))
