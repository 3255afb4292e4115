"""Attention, and the interface for splitting the tokens of a sample over ranks.

Shape suffixes: B batch, L tokens of a stream (video, or motion), H heads, K head_dim.
"""

from typing import Protocol

import torch
from torch import nn
from torch.nn import functional

from echomotion_model.model.layers import Linear, RMSNorm
from echomotion_model.model.rope import RotaryTable, apply_rotary

Streams = tuple[torch.Tensor, ...]
"""One tensor for each stream that is present: video first, then motion."""


def compute_attention(query_BLHK: torch.Tensor, key_BLHK: torch.Tensor, value_BLHK: torch.Tensor) -> torch.Tensor:
    """Compute (B, L, H, K) attention of every query to every key. There is no mask: absent tokens are left out."""
    heads_first = (x.transpose(1, 2) for x in (query_BLHK, key_BLHK, value_BLHK))
    return functional.scaled_dot_product_attention(*heads_first).transpose(1, 2)


class TokenSharing(Protocol):
    """A way to split streams of tokens over the ranks that share one sample."""

    def scatter(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return this rank's part of a whole stream, split along dimension 1: tokens (B, L, D), or a rotary table."""
        ...

    def gather(self, tokens: torch.Tensor, length: int) -> torch.Tensor:
        """Return the whole stream of `length` tokens: the inverse of `scatter`."""
        ...

    def attend(self, queries: Streams, keys: Streams, values: Streams, lengths: tuple[int, ...]) -> Streams:
        """Compute joint attention over the tokens of all streams, on all ranks: each stream's (B, this rank's L, H, K).

        `lengths` are those of the whole streams.
        """
        ...


class SingleRank:
    """The sharing of a single rank, which has every token."""

    def scatter(self, tokens: torch.Tensor) -> torch.Tensor:
        return tokens

    def gather(self, tokens: torch.Tensor, length: int) -> torch.Tensor:
        return tokens

    def attend(self, queries: Streams, keys: Streams, values: Streams, lengths: tuple[int, ...]) -> Streams:
        if len(queries) == 1:
            return (compute_attention(queries[0], keys[0], values[0]),)
        joined = compute_attention(torch.cat(queries, 1), torch.cat(keys, 1), torch.cat(values, 1))
        return joined.split(list(lengths), 1)


class Attention(nn.Module):
    """The input and output projections of one attention layer, under diffusers' names."""

    def __init__(self, width: int, heads: int, eps: float) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = Linear(width, width)
        self.to_k = Linear(width, width)
        self.to_v = Linear(width, width)
        self.to_out = nn.ModuleList([Linear(width, width)])
        self.norm_q = RMSNorm(width, eps=eps)
        self.norm_k = RMSNorm(width, eps=eps)

    def project_qkv(
        self, x_BLD: torch.Tensor, context_BLD: torch.Tensor, table: RotaryTable | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return queries of x, keys and values of the context, each (B, L, H, K); the first two normed and rotated."""
        query, key, value = self.norm_q(self.to_q(x_BLD)), self.norm_k(self.to_k(context_BLD)), self.to_v(context_BLD)
        query, key, value = (each.unflatten(2, (self.heads, -1)) for each in (query, key, value))
        if table is not None:
            query, key = apply_rotary(query, table), apply_rotary(key, table)
        return query, key, value

    def project_output(self, attended_BLHK: torch.Tensor) -> torch.Tensor:
        """Project the attention output to (B, L, D)."""
        return self.to_out[0](attended_BLHK.flatten(2, 3))
