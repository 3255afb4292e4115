"""Wan's published weights into the model: in diffusers' layout or the original one, from a local path."""

from pathlib import Path

from echomotion_model.model.config import ModelConfig
from echomotion_model.model.start import start_motion_from_video
from echomotion_model.model.stored import StoredTensors, read_json
from echomotion_model.model.transformer import EchoMotionTransformer, is_motion
from echomotion_model.model.wan_names import diffusers_config, original_config, original_name
from humove.errors import UserError

_PREFIX = "model.diffusion_model."
"""Single files made for other programs put it before every name."""


def load_wan(model: EchoMotionTransformer, path: Path) -> None:
    """Fills the video branch from Wan's weights and starts the motion branch as its copy.

    `path`: a .safetensors file with its config.json beside it, a folder with both (one file, or several and an index),
    or a whole pipeline's folder, whose transformer/ is taken. UserError, one line, where they do not fit the model in
    any way, the number of heads included; the model is then as it was. ValueError for a model on the meta device.
    """
    if model.proj_out.weight.is_meta:
        raise ValueError("the model is on the meta device: to_empty(device=...) first")
    stored, original = open_wan(path, model.config)
    video = {name: tensor for name, tensor in model.state_dict().items() if not is_motion(name)}
    stored.fill({original_name(name) if original else name: tensor for name, tensor in video.items()})
    start_motion_from_video(model)


def open_wan(path: Path, config: ModelConfig) -> tuple[StoredTensors, bool]:
    """Wan's tensors at a path, not read yet, and whether they are in the original layout. UserError where there are
    none, or they are of another model by their config.json."""
    if not path.exists():
        raise UserError(f"{path}: no such file or folder of weights")
    if (path / "transformer").is_dir():
        path = path / "transformer"
    stored = StoredTensors(path, _PREFIX)
    original = "head.head.weight" in stored.names() or any(".self_attn." in name for name in stored.names())
    check_config(path, config, original)
    return stored, original


def check_config(path: Path, config: ModelConfig, original: bool = False) -> None:
    """UserError where the config.json beside the weights is of another model; most of all in its number of heads, which
    no tensor's shape tells."""
    place = (path if path.is_dir() else path.parent) / "config.json"
    if not place.is_file():
        raise UserError(f"{place} is missing: weights do not tell the number of heads; put the model's own there")
    found, wanted = read_json(place), original_config(config) if original else diffusers_config(config)
    heads = "num_heads" if original else "num_attention_heads"
    if heads not in found:
        raise UserError(
            f"{place}: {heads} is missing, and weights do not tell it; put the model's own config.json there"
        )
    for name in sorted(found.keys() & wanted.keys(), key=lambda name: (name != heads, name)):
        if found[name] != wanted[name]:
            raise UserError(
                f"{place}: {name} is {found[name]}, the model's {wanted[name]}; choose the preset of its weights"
            )
