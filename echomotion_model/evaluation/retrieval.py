"""Retrieval: whether a sample is nearest to the clip of its own caption."""

from collections.abc import Sequence

import torch


def measure_retrieval(
    samples: Sequence[torch.Tensor], true: Sequence[torch.Tensor], captions: Sequence[str]
) -> dict[str, float] | None:
    """Measure the share of samples whose nearest clip (mean squared difference, same shape) has their caption, and the
    chance level: the mean share of such clips. `samples[i]` is from `captions[i]`. None if no sample has a clip of the
    same shape with another caption."""
    found, chances = [], []
    for sample, caption in zip(samples, captions, strict=True):
        candidates = [index for index, each in enumerate(true) if each.shape == sample.shape]
        own = [captions[index] == caption for index in candidates]
        if all(own):
            continue
        distances = [float((sample.double() - true[index].double()).square().mean()) for index in candidates]
        found.append(own[min(range(len(candidates)), key=distances.__getitem__)])
        chances.append(sum(own) / len(own))
    if not found:
        return None
    return {"found": sum(found) / len(found), "chance": sum(chances) / len(chances), "samples": len(found)}
