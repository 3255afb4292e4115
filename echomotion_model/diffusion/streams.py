"""Random numbers that depend on what they are for, never on what was drawn before.

A stream is named by whole numbers and words: a step's draws are the same after a resume, on any number of ranks, and
in any order of samples, so no generator state has to be saved.
"""

import hashlib
from collections.abc import Sequence

import torch


def stream(*name: int | str) -> torch.Generator:
    """The CPU generator of that name."""
    digest = hashlib.blake2b(repr(name).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


def normal(shape: Sequence[int], names: Sequence[tuple[int | str, ...]]) -> torch.Tensor:
    """Standard normal noise (len(names), *shape) float32, row i from the stream names[i]; on the CPU."""
    return torch.stack([torch.randn(tuple(shape), generator=stream(*name)) for name in names])
