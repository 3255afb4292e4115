"""Does a sample look like the clip whose caption it was made from, or like another?"""

from collections.abc import Sequence

import torch


def retrieval(
    made: Sequence[torch.Tensor], true: Sequence[torch.Tensor], captions: Sequence[str]
) -> dict[str, float] | None:
    """Share of samples whose nearest clip (mean squared difference, among those of the same shape) has their caption,
    and what guessing gives: the share of such clips, on average. `made[i]` is from `captions[i]`. None for samples
    that have no other caption beside them."""
    found, chances = [], []
    for sample, caption in zip(made, captions, strict=True):
        rivals = [index for index, each in enumerate(true) if each.shape == sample.shape]
        own = [captions[index] == caption for index in rivals]
        if all(own):
            continue
        apart = [float((sample.double() - true[index].double()).square().mean()) for index in rivals]
        found.append(own[min(range(len(rivals)), key=apart.__getitem__)])
        chances.append(sum(own) / len(own))
    if not found:
        return None
    return {"found": sum(found) / len(found), "chance": sum(chances) / len(chances), "samples": len(found)}
