"""Random numbers that depend on their purpose, not on earlier draws.

A generator is seeded from a name of integers and words: a step's draws are the same after a resume, on any number of
ranks, and in any order of samples, so no generator state has to be saved.
"""

import hashlib
from collections.abc import Sequence

import torch


def make_generator(*name: int | str) -> torch.Generator:
    """Return the CPU generator of that name."""
    digest = hashlib.blake2b(repr(name).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


def draw_normal(shape: Sequence[int], names: Sequence[tuple[int | str, ...]]) -> torch.Tensor:
    """Draw standard normal noise (len(names), *shape) float32 on the CPU, row i from the generator names[i]."""
    return torch.stack([torch.randn(tuple(shape), generator=make_generator(*name)) for name in names])
