"""Layers of Wan, under diffusers' names, each with its required precision.

Weights may be stored in float32 while tokens are bfloat16: a layer casts them to the tokens' dtype in its forward, so
that the optimizer keeps full precision. As Wan requires, some parts stay float32 in any cast of the model: time
embedder, modulation tables and layer norms; and also the motion's input and output MLPs.

Shape suffixes: B batch, D width of a token, ... any.
"""

import math
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

FLOAT32_PARTS = ("time_embedder", "scale_shift_table", "motion_scale_shift_table", "norm2", "motion_in", "motion_out")
"""Components of parameter names that stay float32 in a model cast to a smaller dtype."""


def is_always_float32(name: str) -> bool:
    """Return whether the parameter of this name is float32 in every model."""
    return not set(FLOAT32_PARTS).isdisjoint(name.split("."))


def prevent_narrowing(convert: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    """Wrap a conversion so that it changes a tensor's device, but never to a smaller float dtype."""

    def convert_guarded(tensor: torch.Tensor) -> torch.Tensor:
        out = convert(tensor)
        smaller = out.is_floating_point() and out.dtype.itemsize < tensor.dtype.itemsize
        return tensor.to(out.device) if smaller else out

    return convert_guarded


class Float32Module(nn.Module):
    """A module that stays float32, with its children, in `.to(torch.bfloat16)`, `.half()` and similar casts."""

    def _apply(self, fn: Callable, recurse: bool = True) -> nn.Module:
        return super()._apply(prevent_narrowing(fn), recurse)


class Float32Tables(nn.Module):
    """A module whose own parameters stay float32, while its children are cast normally."""

    def _apply(self, fn: Callable, recurse: bool = True) -> nn.Module:
        if recurse:
            for child in self.children():
                child._apply(fn)
        return super()._apply(prevent_narrowing(fn), recurse=False)


class Linear(nn.Linear):
    """A linear layer in the dtype of its input."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, self.weight.to(x.dtype), self.bias.to(x.dtype))


class RMSNorm(nn.RMSNorm):
    """An RMS norm in the dtype of its input; over all heads together, as in Wan."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.rms_norm(x, self.normalized_shape, self.weight.to(x.dtype), self.eps)


class LayerNorm(Float32Module, nn.LayerNorm):
    """A layer norm in float32 for any input."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.float())


class PatchEmbedding(nn.Conv3d):
    """A convolution of latents (B, C, F, H, W) to video tokens (B, N, D), time outermost."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        patches = self._conv_forward(x, self.weight.to(x.dtype), self.bias.to(x.dtype))
        return patches.flatten(2).transpose(1, 2).contiguous()


class GeluProjection(nn.Module):
    """A linear map and the tanh approximation of GELU."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.proj = Linear(width, inner)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.gelu(self.proj(x), approximate="tanh")


class FeedForward(nn.Module):
    """An MLP of (..., D) to (..., D)."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.net = nn.Sequential(GeluProjection(width, inner), nn.Identity(), Linear(inner, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


class TimestepEmbedding(Float32Module):
    """An embedding of timesteps (B,), 0 to 1000, in (B, D) float32: sinusoids through an MLP."""

    def __init__(self, sinusoids: int, width: int) -> None:
        super().__init__()
        self.half = sinusoids // 2
        self.linear_1 = nn.Linear(sinusoids, width)
        self.linear_2 = nn.Linear(width, width)

    def forward(self, timestep_B: torch.Tensor) -> torch.Tensor:
        exponents = -math.log(10000) * torch.arange(self.half, dtype=torch.float32, device=timestep_B.device)
        angles = timestep_B.float()[:, None] * (exponents / self.half).exp()
        waves = torch.cat([angles.cos(), angles.sin()], -1)
        return self.linear_2(functional.silu(self.linear_1(waves)))


class TextProjection(nn.Module):
    """An MLP of the text encoder's tokens (B, L, text width) to (B, L, D)."""

    def __init__(self, text_width: int, width: int) -> None:
        super().__init__()
        self.linear_1 = Linear(text_width, width)
        self.linear_2 = Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear_2(functional.gelu(self.linear_1(x), approximate="tanh"))


class ConditionEmbedder(nn.Module):
    """The embedding of time and text, shared by video and motion."""

    def __init__(self, width: int, sinusoids: int, text_width: int) -> None:
        super().__init__()
        self.time_embedder = TimestepEmbedding(sinusoids, width)
        self.time_proj = Linear(width, 6 * width)
        self.text_embedder = TextProjection(text_width, width)

    def embed_time(self, timestep_B: torch.Tensor, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (B, D) for the head and (B, 6, D) for the blocks, of the given dtype."""
        embedded = self.time_embedder(timestep_B).to(dtype)
        return embedded, self.time_proj(functional.silu(embedded)).unflatten(1, (6, -1))
