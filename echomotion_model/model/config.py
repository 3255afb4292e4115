"""The model's shape settings and presets."""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, field_validator

from humove.config.strict import Strict
from humove.errors import UserError

PRESETS = Path(__file__).with_name("presets")
NUM_TASKS = 3
"""Rows of the task embedding: joint, motion-to-video, video-to-motion."""


class ModelConfig(Strict):
    """All settings that determine the shapes and the meaning of the weights."""

    heads: int = Field(
        ge=1, description="attention heads; a wrong number loads without an error and changes the output"
    )
    head_dim: int = Field(ge=6, description="width of an attention head; the model's width is heads times head_dim")
    ffn_dim: int = Field(ge=1, description="width of the feed-forward layers")
    layers: int = Field(ge=1, description="transformer blocks")
    dual_every: int = Field(
        1, ge=1, description="every n-th block, from the first, has a motion branch; motion skips the others"
    )
    channels: int = Field(16, ge=1, description="channels of the video latents")
    text_dim: int = Field(4096, ge=1, description="width of the text encoder's tokens")
    freq_dim: int = Field(256, ge=2, multiple_of=2, description="sinusoids in the timestep embedding")
    patch: tuple[int, int, int] = Field((1, 2, 2), description="latents that a video token covers: time, height, width")
    eps: float = Field(1e-6, gt=0, description="epsilon of every norm")
    motion_hidden: int = Field(
        ge=1, description="hidden width of the motion MLPs; 20 can hold any linear map of 10 values and its inverse"
    )
    frame_stride: int = Field(4, ge=1, description="video frames in a latent, except the first latent")
    motion_time: Literal["start", "centred"] = Field(
        "start", description="position of frame t: t/4 (the paper), or centred so that a latent's frames lie around it"
    )
    motion_place: Literal["beyond", "colliding"] = Field(
        "beyond", description="position of token i in space: H+i, W+i (the paper), or i, i, where video tokens are too"
    )

    @field_validator("head_dim")
    @classmethod
    def _check_head_dim(cls, head_dim: int) -> int:
        if head_dim % 2:
            raise ValueError("must be even: rotary embeddings rotate pairs")
        return head_dim

    @field_validator("patch")
    @classmethod
    def _check_patch(cls, patch: tuple[int, int, int]) -> tuple[int, int, int]:
        if patch[0] != 1 or min(patch) < 1:
            raise ValueError("must be 1 in time, and at least 1 in height and width")
        return patch

    @property
    def dim(self) -> int:
        """Width of a token."""
        return self.heads * self.head_dim

    def is_dual(self, layer: int) -> bool:
        return layer % self.dual_every == 0


def list_presets() -> list[str]:
    """Return the names of the presets."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def load_preset(name: str, **changes: Any) -> ModelConfig:
    """Return a preset's configuration with some settings changed. UserError for an unknown name."""
    if name not in list_presets():
        raise UserError(f"no model preset {name!r}: choose one of {', '.join(list_presets())}")
    settings = yaml.safe_load((PRESETS / f"{name}.yaml").read_text(encoding="utf-8"))
    return ModelConfig.model_validate({**settings, **changes})
