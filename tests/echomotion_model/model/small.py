"""A model small enough to run in milliseconds, and diffusers' own Wan of the same size beside it."""

import torch
from diffusers import WanTransformer3DModel

from echomotion_model.model.config import ModelConfig
from echomotion_model.model.transformer import EchoMotionTransformer
from echomotion_model.motion.layout import FEATURES

SMALL = ModelConfig(heads=2, head_dim=24, ffn_dim=64, layers=2, text_dim=20, freq_dim=32, motion_hidden=24)
LATENTS, FRAMES, GRID = 3, 9, (4, 6)


def wan(config: ModelConfig = SMALL, seed: int = 0) -> WanTransformer3DModel:
    """diffusers' model with random weights, its zero biases included."""
    torch.manual_seed(seed)
    model = WanTransformer3DModel(
        num_attention_heads=config.heads,
        attention_head_dim=config.head_dim,
        in_channels=config.channels,
        out_channels=config.channels,
        text_dim=config.text_dim,
        freq_dim=config.freq_dim,
        ffn_dim=config.ffn_dim,
        num_layers=config.layers,
    )
    return randomised(model, seed).eval()


def randomised(model: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """No weight is a zero or a one that a mistake could hide behind."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=rng) * 0.05)
    return model


def echo(config: ModelConfig = SMALL, seed: int = 1) -> EchoMotionTransformer:
    torch.manual_seed(seed)
    return randomised(EchoMotionTransformer(config), seed)


def inputs(config: ModelConfig = SMALL, batch: int = 2) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(2)
    height, width = GRID[0] * config.patch[1], GRID[1] * config.patch[2]
    return {
        "video_BCFHW": torch.randn(batch, config.channels, LATENTS, height, width, generator=rng),
        "motion_BTF": torch.randn(batch, FRAMES, FEATURES, generator=rng),
        "text_BLD": torch.randn(batch, 7, config.text_dim, generator=rng),
        "timestep_video_B": torch.tensor([703.5, 12.0])[:batch],
        "timestep_motion_B": torch.tensor([0.0, 999.0])[:batch],
    }
