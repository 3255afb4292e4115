"""Ulysses sequence parallelism: the ranks of a group split a sample's tokens, and for attention its heads.

Each stream is padded with zeros to a multiple of the group's size (4,131 motion tokens are 3^5 x 17) and split. The
padding is removed before attention.

Gradients: every rank of a group computes the same loss from the gathered output, and gradients are averaged over all
ranks. A weight that is applied to a rank's own tokens has a partial gradient there, and the average over n ranks would
be 1/n of the sum, so the backward pass of `gather` multiplies by n. Weights that are applied to whole streams have the
full gradient on every rank, which the average keeps.

Shape suffixes: B batch, L a stream's tokens (l: this rank's), H heads, K head_dim.
"""

import torch
import torch.distributed as dist
from torch.distributed import _functional_collectives as collectives
from torch.nn import functional

from echomotion_model.model.attention import Streams, compute_attention


class Ulysses:
    """The `TokenSharing` of the ranks of a process group."""

    def __init__(self, group: dist.ProcessGroup) -> None:
        self._group, self._ranks, self._rank = group, group.size(), group.rank()

    def scatter(self, tokens: torch.Tensor) -> torch.Tensor:
        part = self._count_share(tokens.shape[1])
        return self._pad_tokens(tokens)[:, self._rank * part : (self._rank + 1) * part].contiguous()

    def gather(self, tokens: torch.Tensor, length: int) -> torch.Tensor:
        return _Gather.apply(tokens, self._group)[:, :length]

    def attend(self, queries: Streams, keys: Streams, values: Streams, lengths: tuple[int, ...]) -> Streams:
        whole = [torch.cat(self._split_heads(streams, lengths), 1) for streams in (queries, keys, values)]
        answers = compute_attention(*whole).split(list(lengths), 1)
        return self._split_tokens(answers, lengths)

    def _count_share(self, length: int) -> int:
        """Count the tokens of a stream on each rank."""
        return -(-length // self._ranks)

    def _pad_tokens(self, tokens: torch.Tensor) -> torch.Tensor:
        missing = self._count_share(tokens.shape[1]) * self._ranks - tokens.shape[1]
        return functional.pad(tokens, (0, 0) * (tokens.ndim - 2) + (0, missing)) if missing else tokens

    def _split_heads(self, streams: Streams, lengths: tuple[int, ...]) -> list[torch.Tensor]:
        """Exchange each stream's (B, l, H, K) for (B, L, H / ranks, K), all streams in one all-to-all."""
        sent_nBlHK = torch.cat(streams, 1).unflatten(2, (self._ranks, -1)).permute(2, 0, 1, 3, 4)
        parts = self._exchange_rows(sent_nBlHK).split([stream.shape[1] for stream in streams], 2)
        return [
            part_nBlHK.transpose(0, 1).flatten(1, 2)[:, :length]
            for part_nBlHK, length in zip(parts, lengths, strict=True)
        ]

    def _split_tokens(self, streams: Streams, lengths: tuple[int, ...]) -> Streams:
        """Invert `_split_heads`."""
        split = [self._pad_tokens(stream).unflatten(1, (self._ranks, -1)).transpose(0, 1) for stream in streams]
        received_BlnHK = self._exchange_rows(torch.cat(split, 2)).permute(1, 2, 0, 3, 4)
        return received_BlnHK.flatten(2, 3).split([self._count_share(length) for length in lengths], 1)

    def _exchange_rows(self, sent: torch.Tensor) -> torch.Tensor:
        """Send row r of the first dimension to rank r; row r of the result is from rank r."""
        flat = sent.contiguous().flatten(0, 1)
        sizes = [sent.shape[1]] * self._ranks
        received = collectives.all_to_all_single_autograd(flat, sizes, sizes, self._group)
        return collectives.wait_tensor(received).view_as(sent)


class _Gather(torch.autograd.Function):
    """All-gather of the ranks' tokens along dimension 1."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, part: torch.Tensor, group: dist.ProcessGroup) -> torch.Tensor:
        ctx.group, ctx.length = group, part.shape[1]
        parts = [torch.empty_like(part) for _ in range(group.size())]
        dist.all_gather(parts, part.contiguous(), group)
        return torch.cat(parts, 1)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        first = ctx.group.rank() * ctx.length
        return gradient[:, first : first + ctx.length] * ctx.group.size(), None
