"""Swapped conditions: whether a sample follows its condition rather than its caption or noise.

A run that overfits a few clips could recognise each by its caption and ignore the condition. So a clip's caption and
noise are combined with another clip's condition: motion to video gets the other's motion, video to motion (which has no
caption) the other's video. A sample that follows the condition is near the other clip; one that follows the caption or
the noise is near this clip; one that depends on neither is nearer to each equally often.

For generated video, PSNR also depends on the other clip's appearance, which a caption may describe; the distance of
given joints from detected keypoints depends on movement only.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from echomotion_model.evaluation.target import Target

Distances = Mapping[str, float | None]
"""`given`: to the clip whose condition was given. `named`: to the clip whose caption and noise were."""
HIGHER_IS_NEARER = ("motion_to_video",)
"""Measures in which a larger figure is nearer: PSNR."""


def choose_partners(targets: Sequence[Target]) -> list[Target | None]:
    """Choose another clip of the same bucket for each, at half their number's distance, so that an even number forms
    pairs; None for the only clip of a bucket."""
    found: list[Target | None] = []
    for target in targets:
        same_bucket = [each for each in targets if each.bucket == target.bucket]
        place = next(index for index, each in enumerate(same_bucket) if each is target)
        found.append(same_bucket[(place + len(same_bucket) // 2) % len(same_bucket)] if len(same_bucket) > 1 else None)
    return found


def follows_condition(name: str, distances: Distances) -> bool:
    """Return whether a sample is nearer to the condition's clip; False if nobody is detected in it."""
    given, named = distances["given"], distances["named"]
    if given is None or named is None:
        return False
    return given > named if name in HIGHER_IS_NEARER else given < named


def count_followed(clips: Sequence[Mapping[str, Distances]]) -> dict[str, dict[str, float | None]] | None:
    """Count, by measure, the swapped samples that are nearer to the condition's clip: their share, the chance level,
    the number of samples, and the mean distances. None if no clip has a partner."""
    swapped = [clip for clip in clips if clip]
    if not swapped:
        return None
    out: dict[str, dict[str, float | None]] = {}
    for name in swapped[0]:
        out[name] = {
            "found": sum(follows_condition(name, clip[name]) for clip in swapped) / len(swapped),
            "chance": 0.5,
            "samples": len(swapped),
        }
        for who in ("given", "named"):
            known = [clip[name][who] for clip in swapped if clip[name][who] is not None]
            out[name][who] = float(np.mean(known)) if known else None
    return out
