"""Attention, and how the tokens of a sample may be shared out over ranks.

Shape suffixes: B batch, L tokens of a stream (video, or motion), H heads, K numbers a head.
"""

from typing import Protocol

import torch
from torch import nn
from torch.nn import functional

from echomotion_model.model.layers import Linear, RMSNorm
from echomotion_model.model.rope import Rotary, rotate

Streams = tuple[torch.Tensor, ...]
"""One tensor a stream that is there: video first, then motion."""


def attend(query_BLHK: torch.Tensor, key_BLHK: torch.Tensor, value_BLHK: torch.Tensor) -> torch.Tensor:
    """(B, L, H, K): every query attends to every key. Nothing is masked: what is absent is left out."""
    heads_first = (x.transpose(1, 2) for x in (query_BLHK, key_BLHK, value_BLHK))
    return functional.scaled_dot_product_attention(*heads_first).transpose(1, 2)


class TokenSharing(Protocol):
    """How streams of tokens are spread over the ranks that work on one sample together."""

    def scatter(self, tokens: torch.Tensor) -> torch.Tensor:
        """This rank's part of a whole stream, cut along dimension 1: tokens (B, L, D), or a rotary table."""
        ...

    def gather(self, tokens: torch.Tensor, length: int) -> torch.Tensor:
        """The inverse of `scatter`: the whole stream of `length` tokens."""
        ...

    def attend(self, queries: Streams, keys: Streams, values: Streams, lengths: tuple[int, ...]) -> Streams:
        """Joint attention over the tokens of all streams, on all ranks: each stream's (B, this rank's L, H, K).

        `lengths` are those of the whole streams.
        """
        ...


class OneRank:
    """Every token is here."""

    def scatter(self, tokens: torch.Tensor) -> torch.Tensor:
        return tokens

    def gather(self, tokens: torch.Tensor, length: int) -> torch.Tensor:
        return tokens

    def attend(self, queries: Streams, keys: Streams, values: Streams, lengths: tuple[int, ...]) -> Streams:
        if len(queries) == 1:
            return (attend(queries[0], keys[0], values[0]),)
        joined = attend(torch.cat(queries, 1), torch.cat(keys, 1), torch.cat(values, 1))
        return joined.split(list(lengths), 1)


class Attention(nn.Module):
    """The projections of one attention layer, under diffusers' names; attending itself is between the two halves."""

    def __init__(self, width: int, heads: int, eps: float) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = Linear(width, width)
        self.to_k = Linear(width, width)
        self.to_v = Linear(width, width)
        self.to_out = nn.ModuleList([Linear(width, width)])
        self.norm_q = RMSNorm(width, eps=eps)
        self.norm_k = RMSNorm(width, eps=eps)

    def project(
        self, x_BLD: torch.Tensor, context_BLD: torch.Tensor, table: Rotary | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Queries of x, keys and values of the context, each (B, L, H, K); the first two normed, then rotated."""
        query, key, value = self.norm_q(self.to_q(x_BLD)), self.norm_k(self.to_k(context_BLD)), self.to_v(context_BLD)
        query, key, value = (each.unflatten(2, (self.heads, -1)) for each in (query, key, value))
        if table is not None:
            query, key = rotate(query, table), rotate(key, table)
        return query, key, value

    def out(self, attended_BLHK: torch.Tensor) -> torch.Tensor:
        """(B, L, D) of what the queries brought back."""
        return self.to_out[0](attended_BLHK.flatten(2, 3))
