"""Motion features to tokens and back, and the task embedding.

Shape suffixes: B batch, T frames, F the 235 features of a frame, M = 51 T motion tokens, D width.
"""

import torch
from torch import nn
from torch.nn import functional

from echomotion_model.model.config import NUM_TASKS
from echomotion_model.model.layers import Float32Module, Linear
from echomotion_model.motion.layout import GROUPS, SPLIT, TOKENS


class MotionIn(Float32Module):
    """Features (B, T, 235) to tokens (B, 51 T, D): one MLP per group, with a separate hidden bias per token. Rotary
    attention depends on distances only: without the bias a token must infer its joint from its distances to others,
    and a model learns several times more slowly.

    In float32: bfloat16 cannot resolve a millimetre at a distance of four metres.
    """

    def __init__(self, hidden: int, width: int) -> None:
        super().__init__()
        self.first = nn.ModuleDict({group.name: nn.Linear(group.width, hidden) for group in GROUPS})
        self.token_bias = nn.Parameter(torch.randn(TOKENS, hidden))
        self.last = nn.ModuleDict({group.name: nn.Linear(hidden, width) for group in GROUPS})

    def forward(self, features_BTF: torch.Tensor) -> torch.Tensor:
        tokens = []
        parts, biases = features_BTF.float().split(SPLIT, -1), self.token_bias.split([group.tokens for group in GROUPS])
        for group, part, bias in zip(GROUPS, parts, biases, strict=True):
            hidden = self.first[group.name](part.unflatten(-1, (group.tokens, group.width))) + bias
            tokens.append(self.last[group.name](functional.silu(hidden)))
        return torch.cat(tokens, 2).flatten(1, 2)


class MotionOut(Float32Module):
    """Tokens (B, 51 T, D) to features (B, T, 235), float32."""

    def __init__(self, hidden: int, width: int) -> None:
        super().__init__()
        self.groups = nn.ModuleDict(
            {g.name: nn.Sequential(nn.Linear(width, hidden), nn.SiLU(), nn.Linear(hidden, g.width)) for g in GROUPS}
        )

    def forward(self, tokens_BMD: torch.Tensor) -> torch.Tensor:
        parts = tokens_BMD.float().unflatten(1, (-1, TOKENS)).split([group.tokens for group in GROUPS], 2)
        return torch.cat([self.groups[g.name](part).flatten(2) for g, part in zip(GROUPS, parts, strict=True)], -1)


class TaskEmbedder(nn.Module):
    """The embedding of tasks (B,) int64 in (B, 1, D), which is added to every token. It is initialised to zeros."""

    def __init__(self, hidden: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(NUM_TASKS, hidden)
        self.linear_1 = Linear(hidden, hidden)
        self.linear_2 = Linear(hidden, width)

    def forward(self, task_B: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        return self.linear_2(functional.silu(self.linear_1(self.embedding(task_B).to(dtype))))[:, None]
