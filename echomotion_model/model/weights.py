"""Loading of Wan's published weights, in diffusers' layout or the original one, from a local path."""

from pathlib import Path

from echomotion_model.model.config import ModelConfig
from echomotion_model.model.init import copy_video_to_motion
from echomotion_model.model.tensor_files import StoredTensors, read_json
from echomotion_model.model.transformer import EchoMotionTransformer, is_motion_parameter
from echomotion_model.model.wan_names import build_diffusers_config, build_original_config, get_original_name
from humove.errors import UserError

_PREFIX = "model.diffusion_model."
"""Some single-file checkpoints have it before every name."""


def load_wan(model: EchoMotionTransformer, path: Path) -> None:
    """Load Wan's weights into the video branch and initialise the motion branch as a copy of it.

    `path`: a .safetensors file with its config.json beside it, a folder with both (one file, or several and an index),
    or a whole pipeline's folder, whose transformer/ is used. UserError, one line, if they do not fit the model, the
    number of heads included; the model is then unchanged. ValueError for a model on the meta device.
    """
    if model.proj_out.weight.is_meta:
        raise ValueError("the model is on the meta device: to_empty(device=...) first")
    stored, original = open_wan(path, model.config)
    video = {name: tensor for name, tensor in model.state_dict().items() if not is_motion_parameter(name)}
    stored.copy_into({get_original_name(name) if original else name: tensor for name, tensor in video.items()})
    copy_video_to_motion(model)


def open_wan(path: Path, config: ModelConfig) -> tuple[StoredTensors, bool]:
    """Open Wan's tensors at a path, unread; return them and whether they are in the original layout. UserError if there
    are none, or if their config.json is of another model."""
    if not path.exists():
        raise UserError(f"{path}: no such file or folder of weights")
    if (path / "transformer").is_dir():
        path = path / "transformer"
    stored = StoredTensors(path, _PREFIX)
    original = "head.head.weight" in stored.list_names() or any(".self_attn." in name for name in stored.list_names())
    check_config(path, config, original)
    return stored, original


def check_config(path: Path, config: ModelConfig, original: bool = False) -> None:
    """Raise UserError if the config.json beside the weights is of another model, for instance in its number of heads,
    which no tensor's shape shows."""
    place = (path if path.is_dir() else path.parent) / "config.json"
    if not place.is_file():
        raise UserError(
            f"{place} is missing: weights do not show the number of heads; put the model's config.json there"
        )
    found, wanted = read_json(place), build_original_config(config) if original else build_diffusers_config(config)
    heads = "num_heads" if original else "num_attention_heads"
    if heads not in found:
        raise UserError(f"{place}: {heads} is missing, and weights do not show it; put the model's config.json there")
    for name in sorted(found.keys() & wanted.keys(), key=lambda name: (name != heads, name)):
        if found[name] != wanted[name]:
            raise UserError(
                f"{place}: {name} is {found[name]}, the model's {wanted[name]}; choose the preset of its weights"
            )
