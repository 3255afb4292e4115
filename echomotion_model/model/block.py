"""The dual-branch block: separate weights for each modality, and one self-attention over both.

Shape suffixes: B batch, N video tokens, M motion tokens, L text tokens, D width, 6 rows of the modulation (shift,
scale, gate of the attention, then of the feed-forward).
"""

import torch
from torch import nn

from echomotion_model.model.attention import Attention, SingleRank, TokenSharing, compute_attention
from echomotion_model.model.config import ModelConfig
from echomotion_model.model.layers import FeedForward, Float32Tables, LayerNorm
from echomotion_model.model.rope import RotaryTable


class Branch(Float32Tables):
    """One modality's half of a block: Wan's block, split at its self-attention."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.dim
        self.norm1 = LayerNorm(width, config.eps, elementwise_affine=False)
        self.attn1 = Attention(width, config.heads, config.eps)
        self.attn2 = Attention(width, config.heads, config.eps)
        self.norm2 = LayerNorm(width, config.eps)
        self.ffn = FeedForward(width, config.ffn_dim)
        self.norm3 = LayerNorm(width, config.eps, elementwise_affine=False)
        self.scale_shift_table = nn.Parameter(torch.randn(1, 6, width) / width**0.5)

    def compute_modulation(self, time_B6D: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return six (B, 1, D) float32: shift, scale and gate, twice."""
        return (self.scale_shift_table + time_B6D.float()).chunk(6, dim=1)

    def project_self_attention(
        self, x_BLD: torch.Tensor, modulation: tuple[torch.Tensor, ...], table: RotaryTable
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return queries, keys and values of the self-attention."""
        shift, scale, *_ = modulation
        normed = (self.norm1(x_BLD) * (1 + scale) + shift).type_as(x_BLD)
        return self.attn1.project_qkv(normed, normed, table)

    def apply_self_attention(
        self,
        x_BLD: torch.Tensor,
        attended_BLHK: torch.Tensor,
        modulation: tuple[torch.Tensor, ...],
        text_BLD: torch.Tensor,
    ) -> torch.Tensor:
        """Apply the rest of the block: self-attention's output, cross-attention to the text, feed-forward."""
        _, _, gate, ffn_shift, ffn_scale, ffn_gate = modulation
        x_BLD = (x_BLD.float() + self.attn1.project_output(attended_BLHK) * gate).type_as(x_BLD)
        normed = self.norm2(x_BLD).type_as(x_BLD)
        x_BLD = x_BLD + self.attn2.project_output(compute_attention(*self.attn2.project_qkv(normed, text_BLD)))
        normed = (self.norm3(x_BLD) * (1 + ffn_scale) + ffn_shift).type_as(x_BLD)
        return (x_BLD.float() + self.ffn(normed).float() * ffn_gate).type_as(x_BLD)


class Block(Branch):
    """Wan's block, with a motion branch if it is dual. A block that is not dual leaves motion unchanged."""

    def __init__(self, config: ModelConfig, dual: bool) -> None:
        super().__init__(config)
        self.motion = Branch(config) if dual else None
        self.sharing: TokenSharing = SingleRank()

    def forward(
        self,
        video_BND: torch.Tensor | None,
        motion_BMD: torch.Tensor | None,
        text_BLD: torch.Tensor,
        video_time_B6D: torch.Tensor | None,
        motion_time_B6D: torch.Tensor | None,
        video_table: RotaryTable | None,
        motion_table: RotaryTable | None,
        lengths: tuple[int, ...],
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Return both streams, None for an absent one; `lengths`: tokens of each present stream on all ranks."""
        streams = []
        if video_BND is not None:
            streams.append((self, video_BND, video_time_B6D, video_table))
        if motion_BMD is not None and self.motion is not None:
            streams.append((self.motion, motion_BMD, motion_time_B6D, motion_table))
        if not streams:
            return video_BND, motion_BMD
        modulations = [branch.compute_modulation(time) for branch, _, time, _ in streams]
        projected = [
            branch.project_self_attention(x, modulation, table)
            for (branch, x, _, table), modulation in zip(streams, modulations, strict=True)
        ]
        queries, keys, values = zip(*projected, strict=True)
        attended = self.sharing.attend(queries, keys, values, lengths[: len(streams)])
        updated = [
            branch.apply_self_attention(x, output, modulation, text_BLD)
            for (branch, x, _, _), output, modulation in zip(streams, attended, modulations, strict=True)
        ]
        video_BND = updated[0] if video_BND is not None else None
        return video_BND, updated[-1] if streams[-1][0] is self.motion else motion_BMD
