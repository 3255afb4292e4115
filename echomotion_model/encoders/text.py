"""Text encoders: a small sentence encoder that is installed with the package, and Wan's UMT5 from a folder."""

import html
from pathlib import Path

import torch
from transformers import AutoTokenizer, BertModel, PreTrainedModel, UMT5EncoderModel
from transformers.utils import logging

from echomotion_model.encoders.fingerprints import (
    SENTENCE,
    UMT5,
    check_umt5_folders,
    compute_sentence_id,
    compute_umt5_id,
    find_sentence_folders,
)
from echomotion_model.encoders.model_folders import load_model
from echomotion_model.latents.protocol import EncoderId

# B: texts; L: tokens of the longest; D: width of a token

_MAX_TOKENS = 512
"""Longer texts are truncated, by both encoders; Wan's own limit."""


class TokenEncoder:
    """A tokenizer and a model of transformers. All settings are arguments: no environment variable is used."""

    def __init__(self, encoder: EncoderId, tokenizer: object, model: PreTrainedModel, device: str) -> None:
        self.name, self.hash = encoder.name, encoder.hash
        self._tokenizer, self._device = tokenizer, torch.device(device)
        self._model = model.to(self._device).eval().requires_grad_(False)

    @torch.no_grad()
    def encode_text(self, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (tokens_BLD in the model's dtype, lengths_B int64), on its device; tokens past a text's length are 0.

        Runs of white space count as one space, and HTML entities as their characters, as in Wan's pipeline.
        """
        plain = [" ".join(html.unescape(html.unescape(text)).split()) for text in texts]
        batch = self._tokenizer(plain, padding=True, truncation=True, max_length=_MAX_TOKENS, return_tensors="pt")
        ids_BL, mask_BL = batch["input_ids"].to(self._device), batch["attention_mask"].to(self._device)
        tokens_BLD = self._model(input_ids=ids_BL, attention_mask=mask_BL).last_hidden_state
        return tokens_BLD * mask_BL[..., None], mask_BL.sum(1)


def load_sentence_encoder(device: str = "cpu") -> TokenEncoder:
    """Load all-MiniLM-L6-v2, for its tokens (width 384), not their mean."""
    return TokenEncoder(compute_sentence_id(), *_load_parts(BertModel, *find_sentence_folders(), SENTENCE), device)


def load_umt5_encoder(folder: Path, device: str = "cpu") -> TokenEncoder:
    """Load Wan's text encoder, in the dtype in which it was stored. `folder` is local and holds tokenizer/ and
    text_encoder/. UserError if one is missing, holds another model or lacks weights."""
    return TokenEncoder(
        compute_umt5_id(folder), *_load_parts(UMT5EncoderModel, *check_umt5_folders(folder), UMT5), device
    )


def _load_parts(
    kind: type[PreTrainedModel], weights: Path, words: Path, setting: str
) -> tuple[object, PreTrainedModel]:
    """Load the tokenizer and the model of two folders."""
    model = load_model(lambda: _read_model(kind, weights), weights, setting, _UNUSED_KEYS)
    tokenizer = load_model(
        lambda: (AutoTokenizer.from_pretrained(words, local_files_only=True), _NO_KEYS), words, setting
    )
    return tokenizer, model


def _read_model(kind: type[PreTrainedModel], folder: Path) -> tuple[PreTrainedModel, dict]:
    logging.disable_progress_bar()  # it would appear among the command's own lines
    return kind.from_pretrained(
        folder, local_files_only=True, use_safetensors=True, dtype="auto", output_loading_info=True
    )


_NO_KEYS = {"missing_keys": (), "unexpected_keys": (), "mismatched_keys": ()}
_UNUSED_KEYS = ("encoder.embed_tokens.weight", "embeddings.position_ids")
"""The embedding under its other name, and the position indices: some files hold them, no model needs them."""
