"""Captions to tokens: a small sentence encoder that comes with the install, and Wan's UMT5 from a folder."""

import html
from pathlib import Path

import torch
from transformers import AutoTokenizer, BertModel, PreTrainedModel, UMT5EncoderModel
from transformers.utils import logging

from echomotion_model.encoders.identity import (
    SENTENCE,
    UMT5,
    sentence_folders,
    sentence_id,
    umt5_folders,
    umt5_id,
)
from echomotion_model.encoders.stored import load
from echomotion_model.latents.protocol import EncoderId

# B: texts; L: tokens of the longest; D: numbers a token

_TOKENS = 512
"""A text's tokens that are read, by both encoders; Wan's own bound."""


class TokenEncoder:
    """A tokenizer and a model of transformers. All settings are arguments: no environment variable is read or set."""

    def __init__(self, encoder: EncoderId, tokenizer: object, model: PreTrainedModel, device: str) -> None:
        self.name, self.hash = encoder.name, encoder.hash
        self._tokenizer, self._device = tokenizer, torch.device(device)
        self._model = model.to(self._device).eval().requires_grad_(False)

    @torch.no_grad()
    def encode_text(self, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """(tokens_BLD in the model's dtype, lengths_B int64), on its own device; tokens past a text's length are 0.

        Runs of white space count as one space, and HTML's names of characters as the characters, as Wan's pipeline
        has it.
        """
        plain = [" ".join(html.unescape(html.unescape(text)).split()) for text in texts]
        said = self._tokenizer(plain, padding=True, truncation=True, max_length=_TOKENS, return_tensors="pt")
        ids_BL, mask_BL = said["input_ids"].to(self._device), said["attention_mask"].to(self._device)
        tokens_BLD = self._model(input_ids=ids_BL, attention_mask=mask_BL).last_hidden_state
        return tokens_BLD * mask_BL[..., None], mask_BL.sum(1)


def sentence_encoder(device: str = "cpu") -> TokenEncoder:
    """all-MiniLM-L6-v2's tokens, 384 numbers each: its words in their places, not their mean."""
    return TokenEncoder(sentence_id(), *_loaded(BertModel, *sentence_folders(), SENTENCE), device)


def umt5_encoder(folder: Path, device: str = "cpu") -> TokenEncoder:
    """Wan's text encoder, in the dtype that it was stored in. `folder` holds tokenizer/ and text_encoder/, on this
    machine. UserError where one is missing, holds another model or not all weights."""
    return TokenEncoder(umt5_id(folder), *_loaded(UMT5EncoderModel, *umt5_folders(folder), UMT5), device)


def _loaded(kind: type[PreTrainedModel], weights: Path, words: Path, setting: str) -> tuple[object, PreTrainedModel]:
    """The tokenizer and the model of two folders."""
    model = load(lambda: _read(kind, weights), weights, setting, _SPARE)
    tokenizer = load(lambda: (AutoTokenizer.from_pretrained(words, local_files_only=True), _NOTHING), words, setting)
    return tokenizer, model


def _read(kind: type[PreTrainedModel], folder: Path) -> tuple[PreTrainedModel, dict]:
    logging.disable_progress_bar()  # of some seconds' work, among the command's own lines
    return kind.from_pretrained(
        folder, local_files_only=True, use_safetensors=True, dtype="auto", output_loading_info=True
    )


_NOTHING = {"missing_keys": (), "unexpected_keys": (), "mismatched_keys": ()}
_SPARE = ("encoder.embed_tokens.weight", "embeddings.position_ids")
"""The embedding under its other name, and a count from 0 on: some stored files hold them, no model needs them."""
