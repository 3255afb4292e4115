"""The presets' sizes, on the meta device: no weight is made."""

import pytest
import torch
from diffusers import WanTransformer3DModel

from echomotion_model.model.config import list_presets, load_preset
from echomotion_model.model.transformer import EchoMotionTransformer, is_motion_parameter
from echomotion_model.model.wan_names import build_diffusers_config
from humove.errors import UserError


@pytest.mark.parametrize(
    ("name", "billions", "wans", "dual", "heads"),
    [("wan2.1-1.3b", 2.81, 1.419, 30, 12), ("wan2.2-5b", 7.455, 5.000, 15, 24)],
)
def test_the_papers_presets(name: str, billions: float, wans: float, dual: int, heads: int) -> None:
    with torch.device("meta"):
        model = EchoMotionTransformer(load_preset(name))
        config = {key: value for key, value in build_diffusers_config(model.config).items() if key != "_class_name"}
        reference = WanTransformer3DModel(**config)
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    digits = len(str(billions).partition(".")[2])
    assert round(sum(sizes.values()) / 1e9, digits) == billions
    assert round(sum(size for name, size in sizes.items() if not is_motion_parameter(name)) / 1e9, 3) == wans
    assert sum(block.motion is not None for block in model.blocks) == dual
    assert (model.config.heads, model.config.head_dim, len(model.blocks)) == (heads, 128, 30)
    shapes = {name: parameter.shape for name, parameter in model.named_parameters() if not is_motion_parameter(name)}
    assert shapes == {name: parameter.shape for name, parameter in reference.named_parameters()}


def test_unknown_names_and_invalid_settings_are_refused() -> None:
    assert list_presets() == ["tiny", "wan2.1-1.3b", "wan2.2-5b"]
    with pytest.raises(UserError, match=r"choose one of tiny, wan2.1-1.3b, wan2.2-5b"):
        load_preset("wan2.1-14b")
    for wrong in ({"heads": 0}, {"head_dim": 25}, {"patch": (2, 2, 2)}, {"headz": 3}):
        with pytest.raises(ValueError):
            load_preset("tiny", **wrong)


def test_tiny_is_tiny() -> None:
    assert sum(parameter.numel() for parameter in EchoMotionTransformer(load_preset("tiny")).parameters()) < 6e6
