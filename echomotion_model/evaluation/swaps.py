"""Does an answer follow the condition, or what else it was made from?

A run that learnt a few clips by heart could know each by its caption and give its answer unseen. So a clip's caption
and noise are joined with another clip's condition: motion to video gets the other's motion, video to motion (which has
no caption) the other's video. Where the condition is what is answered, the answer is the other clip's; where the
caption or the noise is, it is this clip's; what depends on neither is nearer to each as often as not.

Of video that is made, PSNR asks for the other clip's looks as well, of which a caption may speak with right; the given
joints against the keypoints seen ask for its movement alone.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from echomotion_model.evaluation.target import Target

Distances = Mapping[str, float | None]
"""`given`: to the clip whose condition was given. `named`: to the clip whose caption and noise were."""
CLOSENESS = ("motion_to_video",)
"""Answers that are the nearer the larger their figure is: PSNR."""


def partners(targets: Sequence[Target]) -> list[Target | None]:
    """Another clip of the same bucket for each, half of them away, so that pairs swap with each other where their
    number is even; None for the only clip of a bucket."""
    found: list[Target | None] = []
    for target in targets:
        alike = [each for each in targets if each.bucket == target.bucket]
        place = next(index for index, each in enumerate(alike) if each is target)
        found.append(alike[(place + len(alike) // 2) % len(alike)] if len(alike) > 1 else None)
    return found


def follows(name: str, distances: Distances) -> bool:
    """Whether an answer is nearer to the condition's clip; false where that can't be told, as nobody is seen in it."""
    given, named = distances["given"], distances["named"]
    if given is None or named is None:
        return False
    return given > named if name in CLOSENESS else given < named


def followed(clips: Sequence[Mapping[str, Distances]]) -> dict[str, dict[str, float | None]] | None:
    """By measure: share of the swapped samples that are nearer to the condition's clip, chance, how many there are,
    and the mean distances. None where no clip had another beside it."""
    swapped = [clip for clip in clips if clip]
    if not swapped:
        return None
    out: dict[str, dict[str, float | None]] = {}
    for name in swapped[0]:
        out[name] = {
            "found": sum(follows(name, clip[name]) for clip in swapped) / len(swapped),
            "chance": 0.5,
            "samples": len(swapped),
        }
        for who in ("given", "named"):
            known = [clip[name][who] for clip in swapped if clip[name][who] is not None]
            out[name][who] = float(np.mean(known)) if known else None
    return out
