"""Shape of the model, and the presets of it."""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, field_validator

from humove.config import Strict
from humove.errors import UserError

PRESETS = Path(__file__).with_name("presets")
TASKS = 3
"""Joint, motion-to-video, video-to-motion: rows of the task embedding."""


class ModelConfig(Strict):
    """Everything that the shapes of the weights, and what they mean, depend on."""

    heads: int = Field(ge=1, description="attention heads; a wrong number fits every weight and changes the output")
    head_dim: int = Field(ge=6, description="numbers a head; the model's width is heads times this")
    ffn_dim: int = Field(ge=1, description="width of the feed-forward layers")
    layers: int = Field(ge=1, description="transformer blocks")
    dual_every: int = Field(
        1, ge=1, description="every n-th block, from the first, has a motion branch; motion skips others"
    )
    channels: int = Field(16, ge=1, description="channels of the video latents")
    text_dim: int = Field(4096, ge=1, description="width of the text encoder's tokens")
    freq_dim: int = Field(256, ge=2, multiple_of=2, description="sinusoids of the timestep")
    patch: tuple[int, int, int] = Field((1, 2, 2), description="latents that a video token covers: time, height, width")
    eps: float = Field(1e-6, gt=0, description="of every norm")
    motion_hidden: int = Field(
        ge=1,
        description="width inside the motion tokens' MLPs; 20 hold any linear map of their 10 numbers and its inverse",
    )
    frame_stride: int = Field(4, ge=1, description="video frames that a latent stands for, the first excepted")
    motion_time: Literal["start", "centred"] = Field(
        "start", description="frame t stands at t/4 (the paper), or so that a latent's frames lie around it"
    )
    motion_place: Literal["beyond", "colliding"] = Field(
        "beyond", description="token i stands at H+i, W+i (the paper), or at i, i, on top of video tokens"
    )

    @field_validator("head_dim")
    @classmethod
    def _even(cls, head_dim: int) -> int:
        if head_dim % 2:
            raise ValueError("rotary pairs need an even number")
        return head_dim

    @field_validator("patch")
    @classmethod
    def _positive(cls, patch: tuple[int, int, int]) -> tuple[int, int, int]:
        if patch[0] != 1 or min(patch) < 1:
            raise ValueError("wanted 1 in time, and at least 1 in height and width")
        return patch

    @property
    def dim(self) -> int:
        """Width of a token."""
        return self.heads * self.head_dim

    def is_dual(self, layer: int) -> bool:
        return layer % self.dual_every == 0


def preset_names() -> list[str]:
    """Names that `preset` knows."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def preset(name: str, **changes: Any) -> ModelConfig:
    """A model by name, with some of its settings changed. UserError for another name."""
    if name not in preset_names():
        raise UserError(f"no model preset {name!r}: choose one of {', '.join(preset_names())}")
    settings = yaml.safe_load((PRESETS / f"{name}.yaml").read_text(encoding="utf-8"))
    return ModelConfig.model_validate({**settings, **changes})
