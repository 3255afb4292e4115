"""Ulysses: the ranks of a group split the tokens of a sample; for attention they swap them for heads and back.

Each stream is filled up with zeros to a multiple of the group on its own (4,131 motion tokens are 3^5 x 17), cut, and
the filling is taken out again before anything attends, so that no query ever sees it.

Gradients: every rank of a group computes the same loss of the gathered answer, and the group's gradients are averaged
with everybody else's. A weight used on the rank's own tokens only has that part of its gradient, of which the average
over n ranks would be an n-th of the sum: `gather` makes gradients n times as large on their way back. Weights used on
whole streams have the whole gradient on every rank, and the average leaves it as it is.

Shape suffixes: B batch, L a stream's tokens (l: this rank's), H heads, K numbers a head.
"""

import torch
import torch.distributed as dist
from torch.distributed import _functional_collectives as collectives
from torch.nn import functional

from echomotion_model.model.attention import Streams, attend


class Ulysses:
    """The `TokenSharing` of the ranks of a process group."""

    def __init__(self, group: dist.ProcessGroup) -> None:
        self._group, self._ranks, self._rank = group, group.size(), group.rank()

    def scatter(self, tokens: torch.Tensor) -> torch.Tensor:
        part = self._share(tokens.shape[1])
        return self._filled(tokens)[:, self._rank * part : (self._rank + 1) * part].contiguous()

    def gather(self, tokens: torch.Tensor, length: int) -> torch.Tensor:
        return _Gathered.apply(tokens, self._group)[:, :length]

    def attend(self, queries: Streams, keys: Streams, values: Streams, lengths: tuple[int, ...]) -> Streams:
        whole = [torch.cat(self._by_heads(streams, lengths), 1) for streams in (queries, keys, values)]
        answers = attend(*whole).split(list(lengths), 1)
        return self._by_tokens(answers, lengths)

    def _share(self, length: int) -> int:
        """Tokens of a stream on each rank."""
        return -(-length // self._ranks)

    def _filled(self, tokens: torch.Tensor) -> torch.Tensor:
        missing = self._share(tokens.shape[1]) * self._ranks - tokens.shape[1]
        return functional.pad(tokens, (0, 0) * (tokens.ndim - 2) + (0, missing)) if missing else tokens

    def _by_heads(self, streams: Streams, lengths: tuple[int, ...]) -> list[torch.Tensor]:
        """Each stream's (B, l, H, K) to (B, L, H / ranks, K): all streams in one exchange."""
        sent_nBlHK = torch.cat(streams, 1).unflatten(2, (self._ranks, -1)).permute(2, 0, 1, 3, 4)
        parts = self._exchange(sent_nBlHK).split([stream.shape[1] for stream in streams], 2)
        return [
            part_nBlHK.transpose(0, 1).flatten(1, 2)[:, :length]
            for part_nBlHK, length in zip(parts, lengths, strict=True)
        ]

    def _by_tokens(self, streams: Streams, lengths: tuple[int, ...]) -> Streams:
        """The inverse of `_by_heads`."""
        cut = [self._filled(stream).unflatten(1, (self._ranks, -1)).transpose(0, 1) for stream in streams]
        got_BlnHK = self._exchange(torch.cat(cut, 2)).permute(1, 2, 0, 3, 4)
        return got_BlnHK.flatten(2, 3).split([self._share(length) for length in lengths], 1)

    def _exchange(self, sent: torch.Tensor) -> torch.Tensor:
        """Row r of the first dimension goes to rank r, and row r of what comes back is from it."""
        flat = sent.contiguous().flatten(0, 1)
        sizes = [sent.shape[1]] * self._ranks
        got = collectives.all_to_all_single_autograd(flat, sizes, sizes, self._group)
        return collectives.wait_tensor(got).view_as(sent)


class _Gathered(torch.autograd.Function):
    """The ranks' parts, side by side along dimension 1."""

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
